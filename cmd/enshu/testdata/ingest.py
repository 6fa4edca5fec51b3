# ingest.py ours|real tcp|udp COUNT PEERS: starts a rsyslogd with the default
# rules, has another process send it messages, and prints how many of how many
# came into the file in how many seconds.
import glob, os, socket, subprocess, sys, time

who, over, count, peers = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
PORT = 1514

SENDER = '''
import socket, sys
over, count, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def message(i):
    head = b"<30>Oct 11 22:14:15 web01 httpd[812]: %08d " % i
    return head + b"x" * (200 - len(head))
if over == "tcp":
    s = socket.create_connection(("127.0.0.1", port))
    for k in range(0, count, 200):
        s.sendall(b"".join(message(i) + b"\\n" for i in range(k, min(count, k + 200))))
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", port))
    for i in range(count):
        s.send(message(i))
'''

folder = "/var/log/ingest-" + who
os.makedirs(folder, exist_ok=True)
for name in os.listdir(folder):
    os.remove(os.path.join(folder, name))
conf = "/root/%s.conf" % who
with open(conf, "w") as f:
    f.write('''global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
module(load="imudp")
input(type="imudp" port="%d")
module(load="imtcp")
input(type="imtcp" port="%d")
*.info;mail.none;authpriv.none;cron.none                DIR/messages
authpriv.*                                              DIR/secure
mail.*                                                  -DIR/maillog
cron.*                                                  DIR/cron
*.emerg                                                 :omusrmsg:*
uucp,news.crit                                          DIR/spooler
local7.*                                                DIR/boot.log
'''.replace("DIR", folder) % (PORT, PORT))
command = ["/usr/sbin/rsyslogd"]
if who == "real":
    command = [peers + "/usr/sbin/rsyslogd", "-M", glob.glob(peers + "/usr/lib/*/rsyslog")[0]]
daemon = subprocess.Popen(command + ["-n", "-f", conf, "-i", "/root/%s.pid" % who])
while True:
    try:
        socket.create_connection(("127.0.0.1", PORT)).close()
        break
    except OSError:
        time.sleep(0.02)

messages = folder + "/messages"
def size():
    return os.path.getsize(messages) if os.path.exists(messages) else 0
before, start = size(), time.time()
sender = subprocess.Popen([sys.executable, "-c", SENDER, over, str(count), str(PORT)])
have, last = 0, start
while have < count * 196:
    now = time.time()
    if size() - before != have:
        have, last = size() - before, now
    elif now - last > 2 and sender.poll() is not None:
        break
    time.sleep(0.002)
got = sum(b"httpd" in line for line in open(messages, "rb"))
print(got, count, last - start)
daemon.terminate()
daemon.wait()
