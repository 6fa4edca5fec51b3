package sshd

// kind says what a directive takes.
type kind int

const (
	flag  kind = iota // yes or no, or one of the directive's own words
	word              // one argument
	words             // one or more
	count             // a number
	span              // a time: 2m, 90
	port
	list // one or more, and each line adds to those before
)

// directive is what is known of a keyword of sshd_config.
type directive struct {
	kind    kind
	initial string   // its value where nothing is said
	values  []string // of a flag, besides yes and no
	match   bool     // it may stand in a Match block
}

// directives are the keywords of sshd_config(5), of OpenSSH 8.7, in lower case.
var directives = map[string]directive{
	"acceptenv":                       {kind: list, match: true},
	"addressfamily":                   {kind: word, initial: "any"},
	"allowagentforwarding":            {initial: "yes", match: true},
	"allowgroups":                     {kind: list, match: true},
	"allowstreamlocalforwarding":      {initial: "yes", values: []string{"all", "local", "remote"}, match: true},
	"allowtcpforwarding":              {initial: "yes", values: []string{"all", "local", "remote"}, match: true},
	"allowusers":                      {kind: list, match: true},
	"authenticationmethods":           {kind: words, initial: "any", match: true},
	"authorizedkeyscommand":           {kind: words, initial: "none", match: true},
	"authorizedkeyscommanduser":       {kind: word, initial: "none", match: true},
	"authorizedkeysfile":              {kind: words, initial: ".ssh/authorized_keys .ssh/authorized_keys2", match: true},
	"authorizedprincipalscommand":     {kind: words, initial: "none", match: true},
	"authorizedprincipalscommanduser": {kind: word, initial: "none", match: true},
	"authorizedprincipalsfile":        {kind: word, initial: "none", match: true},
	"banner":                          {kind: word, initial: "none", match: true},
	"casignaturealgorithms":           {kind: word, match: true},
	"challengeresponseauthentication": {initial: "yes"},
	"chrootdirectory":                 {kind: word, initial: "none", match: true},
	"ciphers":                         {kind: word},
	"clientalivecountmax":             {kind: count, initial: "3", match: true},
	"clientaliveinterval":             {kind: span, initial: "0", match: true},
	"compression":                     {initial: "yes", values: []string{"delayed"}},
	"denygroups":                      {kind: list, match: true},
	"denyusers":                       {kind: list, match: true},
	"disableforwarding":               {initial: "no", match: true},
	"exposeauthinfo":                  {initial: "no", match: true},
	"fingerprinthash":                 {kind: word, initial: "SHA256"},
	"forcecommand":                    {kind: words, initial: "none", match: true},
	"gatewayports":                    {initial: "no", values: []string{"clientspecified"}, match: true},
	"gssapiauthentication":            {initial: "no", match: true},
	"gssapicleanupcredentials":        {initial: "yes"},
	"gssapienablek5users":             {initial: "no"},
	"gssapikeyexchange":               {initial: "no"},
	"gssapistorecredentialsonrekey":   {initial: "no"},
	"gssapistrictacceptorcheck":       {initial: "yes"},
	"hostbasedacceptedalgorithms":     {kind: word, match: true},
	"hostbasedauthentication":         {initial: "no", match: true},
	"hostbasedusesnamefrompacketonly": {initial: "no", match: true},
	"hostcertificate":                 {kind: word},
	"hostkey":                         {kind: list},
	"hostkeyagent":                    {kind: word},
	"hostkeyalgorithms":               {kind: word},
	"ignorerhosts":                    {initial: "yes", values: []string{"shosts-only"}, match: true},
	"ignoreuserknownhosts":            {initial: "no"},
	"ipqos":                           {kind: words, initial: "af21 cs1", match: true},
	"kbdinteractiveauthentication":    {initial: "yes", match: true},
	"kerberosauthentication":          {initial: "no", match: true},
	"kerberosorlocalpasswd":           {initial: "yes"},
	"kerberosticketcleanup":           {initial: "yes"},
	"kerberosusekuserok":              {initial: "yes"},
	"kexalgorithms":                   {kind: word},
	"listenaddress":                   {kind: list},
	"logingracetime":                  {kind: span, initial: "120"},
	"loglevel":                        {kind: word, initial: "INFO", match: true},
	"logverbose":                      {kind: list, match: true},
	"macs":                            {kind: word},
	"maxauthtries":                    {kind: count, initial: "6", match: true},
	"maxsessions":                     {kind: count, initial: "10", match: true},
	"maxstartups":                     {kind: word, initial: "10:30:100"},
	"modulifile":                      {kind: word, initial: "/etc/ssh/moduli"},
	"passwordauthentication":          {initial: "yes", match: true},
	"permitemptypasswords":            {initial: "no", match: true},
	"permitlisten":                    {kind: words, initial: "any", match: true},
	"permitopen":                      {kind: words, initial: "any", match: true},
	"permitrootlogin":                 {initial: "prohibit-password", values: []string{"without-password", "prohibit-password", "forced-commands-only"}, match: true},
	"permittty":                       {initial: "yes", match: true},
	"permittunnel":                    {initial: "no", values: []string{"point-to-point", "ethernet"}, match: true},
	"permituserenvironment":           {kind: word, initial: "no"},
	"permituserrc":                    {initial: "yes", match: true},
	"persourcemaxstartups":            {kind: word, initial: "none"},
	"persourcenetblocksize":           {kind: word, initial: "32:128"},
	"pidfile":                         {kind: word, initial: "/run/sshd.pid"},
	"port":                            {kind: port, initial: "22"},
	"printlastlog":                    {initial: "yes"},
	"printmotd":                       {initial: "yes"},
	"pubkeyacceptedalgorithms":        {kind: word, match: true},
	"pubkeyacceptedkeytypes":          {kind: word, match: true},
	"pubkeyauthentication":            {initial: "yes", match: true},
	"pubkeyauthoptions":               {kind: words, initial: "none"},
	"rekeylimit":                      {kind: words, initial: "0 0", match: true},
	"revokedkeys":                     {kind: word, initial: "none", match: true},
	"rdomain":                         {kind: word, match: true},
	"securitykeyprovider":             {kind: word},
	"setenv":                          {kind: list, match: true},
	"streamlocalbindmask":             {kind: word, initial: "0177", match: true},
	"streamlocalbindunlink":           {initial: "no", match: true},
	"strictmodes":                     {initial: "yes"},
	"subsystem":                       {kind: list},
	"syslogfacility":                  {kind: word, initial: "AUTH"},
	"tcpkeepalive":                    {initial: "yes"},
	"trustedusercakeys":               {kind: word, initial: "none", match: true},
	"usedns":                          {initial: "no"},
	"usepam":                          {initial: "no"},
	"versionaddendum":                 {kind: word, initial: "none"},
	"x11displayoffset":                {kind: count, initial: "10", match: true},
	"x11forwarding":                   {initial: "no", match: true},
	"x11maxdisplays":                  {kind: count, initial: "1000", match: true},
	"x11uselocalhost":                 {initial: "yes", match: true},
	"xauthlocation":                   {kind: word, initial: "/usr/bin/xauth"},
}

// obsolete are keywords that are still read: what they did is always or never done.
var obsolete = map[string]string{
	"protocol": "Deprecated", "useprivilegeseparation": "Deprecated", "serverkeybits": "Deprecated", "keyregenerationinterval": "Deprecated",
	"rhostsrsaauthentication": "Deprecated", "rsaauthentication": "Deprecated", "uselogin": "Deprecated", "skeyauthentication": "Deprecated",
	"dsaauthentication": "Deprecated", "afstokenpassing": "Unsupported", "kerberosgetafstoken": "Unsupported",
}

// logLevels and facilities are the words of LogLevel and SyslogFacility.
var logLevels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"}
