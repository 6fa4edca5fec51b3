#!/bin/bash
# postfix-yardstick.sh PEERS relay|local MAILS CLIENTS
#
# Real Postfix with its files on a tmpfs, in namespaces that the caller made
# (unshare -mnpuf): takes MAILS mails of 4 kB over SMTP from CLIENTS clients and
# delivers them to a mailbox; with relay it hands them to a second Postfix first.
# Prints the milliseconds until the last mail is in the mailbox.
set -e
peers=$1 mode=$2 mails=$3 clients=$4
mount --make-rprivate /
mount -t proc proc /proc
root=$(mktemp -d)
mount -t tmpfs tmpfs "$root"
export PATH=$peers/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin
LD_LIBRARY_PATH=$(echo "$peers"/usr/lib/*-linux-gnu):$peers/usr/lib/postfix
export LD_LIBRARY_PATH
{ grep -v '^postfix:\|^usera:' /etc/passwd; echo 'postfix:x:89:89::/:/sbin/nologin'; echo 'usera:x:1001:1001::/:/bin/sh'; } > "$root/passwd"
{ grep -v '^postfix:\|^postdrop:\|^usera:' /etc/group; echo 'postfix:x:89:'; echo 'postdrop:x:90:'; echo 'usera:x:1001:'; } > "$root/group"
echo '127.0.0.1 localhost' > "$root/hosts"
for f in passwd group hosts; do mount --bind "$root/$f" "/etc/$f"; done
ip link set lo up
ip addr add 127.0.0.2/8 dev lo

# instance NAME ADDRESS: a Postfix that listens there.
instance() {
	local dir=$root/$1 conf=$root/$1/conf d
	mkdir -p "$conf" "$dir/spool" "$dir/lib" "$dir/mail"
	cp "$peers"/etc/postfix/postfix-files "$conf/" 2>/dev/null || true
	: > "$dir/aliases"
	cat > "$conf/main.cf" <<-X
		compatibility_level = 3.6
		queue_directory = $dir/spool
		command_directory = $peers/usr/sbin
		daemon_directory = $peers/usr/lib/postfix/sbin
		data_directory = $dir/lib
		shlib_directory = $peers/usr/lib/postfix
		meta_directory = $conf
		mail_owner = postfix
		setgid_group = postdrop
		mail_spool_directory = $dir/mail
		myhostname = $1.example
		mydestination = $1.example
		inet_interfaces = $2
		inet_protocols = ipv4
		mynetworks = 127.0.0.0/8
		alias_maps = hash:$dir/aliases
		alias_database = hash:$dir/aliases
		import_environment = LD_LIBRARY_PATH MAIL_CONFIG
		maillog_file = $dir/log
		maillog_file_prefixes = $dir
		biff = no
		smtp_bind_address = $2
	X
	[ "$1" = first ] && [ "$mode" = relay ] && echo 'relayhost = [127.0.0.2]' >> "$conf/main.cf"
	cat > "$conf/master.cf" <<-X
		smtp     inet n - n - - smtpd
		pickup   unix n - n 60 1 pickup
		cleanup  unix n - n - 0 cleanup
		qmgr     unix n - n 300 1 qmgr
		rewrite  unix - - n - - trivial-rewrite
		bounce   unix - - n - 0 bounce
		defer    unix - - n - 0 bounce
		trace    unix - - n - 0 bounce
		proxymap unix - - n - - proxymap
		smtp     unix - - n - - smtp
		relay    unix - - n - - smtp
		error    unix - - n - - error
		retry    unix - - n - - error
		local    unix - n n - - local
		anvil    unix - - n - 1 anvil
		scache   unix - - n - 1 scache
		tlsmgr   unix - - n 1000? 1 tlsmgr
		postlog  unix-dgram n - n - 1 postlogd
	X
	for d in active bounce corrupt defer deferred flush hold incoming private saved trace; do
		mkdir -p "$dir/spool/$d"
		chown 89 "$dir/spool/$d"
		chmod 700 "$dir/spool/$d"
	done
	mkdir -p "$dir/spool/maildrop" "$dir/spool/public" "$dir/spool/pid"
	chown 89:90 "$dir/spool/maildrop" "$dir/spool/public"
	chmod 730 "$dir/spool/maildrop"
	chmod 710 "$dir/spool/public"
	chown 89 "$dir/lib"
	chmod 1777 "$dir/mail"
	postalias -c "$conf" "hash:$dir/aliases" || true
	MAIL_CONFIG=$conf "$peers/usr/lib/postfix/sbin/master" -d -c "$conf" > /dev/null 2>&1 &
	for d in $(seq 200); do
		(echo > "/dev/tcp/$2/25") 2> /dev/null && return
		sleep 0.05
	done
	echo "no answer from $2" >&2
	return 1
}

last=first
instance first 127.0.0.1
if [ "$mode" = relay ]; then
	last=second
	instance second 127.0.0.2
fi
box=$root/$last/mail/usera
# measure MAILS prints how long they take; the first few warm the processes up.
measure() {
	local before=0 began=${EPOCHREALTIME/./}
	[ ! -e "$box" ] || before=$(grep -c '^From ' "$box" || true)
	smtp-source -s "$clients" -m "$1" -l 4096 -f "sender@first.example" -t "usera@$last.example" 127.0.0.1:25
	while [ ! -e "$box" ] || [ "$(grep -c '^From ' "$box")" -lt $((before + $1)) ]; do sleep 0.01; done
	echo $(((${EPOCHREALTIME/./} - began) / 1000))
}
measure 20 > /dev/null
measure "$mails"
