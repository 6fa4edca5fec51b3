package chrony

// version is the release that the programs behave as.
const version = "4.3"
