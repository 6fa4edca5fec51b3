# .bash_logout
