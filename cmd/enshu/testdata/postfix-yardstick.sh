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

. "$(dirname "$0")/postfix-instance.sh"

last=first
relay=
[ "$mode" != relay ] || relay='relayhost = [127.0.0.2]'
instance first 127.0.0.1 "$relay"
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
