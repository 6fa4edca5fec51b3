# Sends messages to the journal daemon that listens, by its native socket or
# /dev/log, and prints how many came in how many seconds: a sender waits while
# the socket's queue is full.
import socket, sys, time

over, count = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(1000):
    try:
        s.connect("/run/systemd/journal/" + ("socket" if over == "native" else "dev-log"))
        break
    except OSError:
        time.sleep(0.01)
text = b"x" * 160
if over == "native":
    def message(i): return b"MESSAGE=message %d %s\nPRIORITY=6\nSYSLOG_IDENTIFIER=bench\nCODE_LINE=7\n" % (i, text)
else:
    def message(i): return b"<14>Nov 22 01:45:40 bench[77]: message %d %s" % (i, text)
begin = time.monotonic()
for i in range(count):
    s.send(message(i))
print(count, time.monotonic() - begin)
