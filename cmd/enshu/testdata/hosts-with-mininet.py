# Three hosts at a Linux bridge with Mininet's API: the yardstick of BenchmarkStart.
# It says when they are up and waits for its input to end.
import sys

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo

net = Mininet(topo=SingleSwitchTopo(3), switch=LinuxBridge, controller=None)
net.start()
print("up", flush=True)
sys.stdin.read()
net.stop()
