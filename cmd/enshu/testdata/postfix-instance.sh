# To be sourced: real Postfix, its programs below $peers, its files below $root.
# The caller has users postfix (89) and groups postfix and postdrop (90).

# instance NAME ADDRESS [SETTINGS]: a Postfix called NAME.example that listens there.
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
		export_environment = LD_LIBRARY_PATH MAIL_CONFIG
		maillog_file = $dir/log
		maillog_file_prefixes = $dir
		biff = no
		smtp_bind_address = $2
	X
	echo "${3-}" >> "$conf/main.cf"
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
