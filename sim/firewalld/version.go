package firewalld

// version is what firewall-cmd --version tells.
const version = "1.3.3"
