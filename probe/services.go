package probe

import (
	"sort"
	"strings"
)

// service is a port and a name by which it goes.
type service struct {
	port uint16
	name string
}

// services is sorted by port. Of the names of one port the first is the one
// that ServiceName gives. Names are IANA's (RFC 6335), but where practice has
// settled on another service or word, practice wins: 9200 is Elasticsearch to
// everybody who probes it. A name stands for one port only.
var services = [...]service{
	{7, "echo"}, {9, "discard"}, {13, "daytime"}, {17, "qotd"}, {19, "chargen"},
	{20, "ftp-data"}, {21, "ftp"}, {22, "ssh"}, {23, "telnet"}, {25, "smtp"},
	{37, "time"}, {43, "whois"}, {49, "tacacs"}, {53, "domain"}, {53, "dns"},
	{70, "gopher"}, {79, "finger"}, {80, "http"}, {80, "www"}, {88, "kerberos"},
	{102, "iso-tsap"}, {106, "poppassd"}, {109, "pop2"}, {110, "pop3"}, {111, "sunrpc"}, {111, "rpcbind"},
	{111, "portmapper"}, {113, "ident"}, {113, "auth"}, {119, "nntp"}, {135, "msrpc"},
	{135, "epmap"}, {137, "netbios-ns"}, {138, "netbios-dgm"}, {139, "netbios-ssn"}, {143, "imap"},
	{143, "imap2"}, {161, "snmp"}, {162, "snmptrap"}, {179, "bgp"},
	{199, "smux"}, {264, "bgmp"}, {389, "ldap"}, {427, "svrloc"}, {443, "https"},
	{444, "snpp"}, {445, "microsoft-ds"}, {445, "smb"}, {464, "kpasswd"}, {465, "submissions"},
	{465, "smtps"}, {502, "modbus"}, {512, "exec"}, {513, "login"}, {514, "shell"},
	{515, "printer"}, {515, "lpd"}, {540, "uucp"}, {543, "klogin"}, {544, "kshell"},
	{548, "afp"}, {554, "rtsp"}, {563, "nntps"}, {587, "submission"}, {593, "http-rpc-epmap"},
	{623, "ipmi"}, {631, "ipp"}, {636, "ldaps"}, {646, "ldp"}, {749, "kerberos-adm"},
	{853, "domain-s"}, {860, "iscsi"}, {873, "rsync"}, {902, "vmware-auth"}, {989, "ftps-data"},
	{990, "ftps"}, {992, "telnets"}, {993, "imaps"}, {994, "ircs"}, {995, "pop3s"},
	{1080, "socks"}, {1099, "rmiregistry"}, {1194, "openvpn"}, {1433, "ms-sql-s"}, {1433, "mssql"},
	{1434, "ms-sql-m"}, {1521, "oracle"}, {1701, "l2tp"}, {1720, "h323hostcall"}, {1723, "pptp"},
	{1812, "radius"}, {1813, "radius-acct"}, {1883, "mqtt"}, {1900, "ssdp"}, {1935, "rtmp"},
	{2000, "cisco-sccp"}, {2049, "nfs"}, {2082, "cpanel"}, {2083, "cpanels"}, {2181, "zookeeper"},
	{2222, "ssh-alt"}, {2375, "docker"}, {2376, "docker-s"}, {2379, "etcd-client"}, {2379, "etcd"},
	{2380, "etcd-server"}, {3000, "grafana"}, {3128, "squid-http"}, {3128, "squid"}, {3260, "iscsi-target"},
	{3268, "globalcat"}, {3269, "globalcats"}, {3306, "mysql"}, {3389, "ms-wbt-server"}, {3389, "rdp"},
	{3478, "stun"}, {3632, "distcc"}, {3690, "svn"}, {4222, "nats"}, {4369, "epmd"},
	{4505, "salt-publish"}, {4506, "salt-ret"}, {4786, "smart-install"}, {5000, "upnp"}, {5044, "beats"},
	{5060, "sip"}, {5061, "sips"}, {5222, "xmpp-client"}, {5269, "xmpp-server"}, {5349, "stuns"},
	{5355, "llmnr"}, {5357, "wsdapi"}, {5432, "postgresql"}, {5432, "postgres"}, {5601, "kibana"},
	{5631, "pcanywheredata"}, {5666, "nrpe"}, {5671, "amqps"}, {5672, "amqp"}, {5800, "vnc-http"},
	{5900, "vnc"}, {5900, "rfb"}, {5984, "couchdb"}, {5985, "winrm"}, {5985, "wsman"},
	{5986, "winrms"}, {5986, "wsmans"}, {6000, "x11"}, {6379, "redis"}, {6443, "kubernetes"},
	{6514, "syslog-tls"}, {6667, "irc"}, {6697, "ircs-u"}, {7001, "weblogic"}, {7547, "cwmp"},
	{8009, "ajp13"}, {8080, "http-alt"}, {8080, "http-proxy"}, {8086, "influxdb"},
	{8140, "puppet"}, {8200, "vault"}, {8291, "winbox"}, {8443, "https-alt"}, {8500, "consul"},
	{8883, "mqtts"}, {9000, "cslistener"}, {9042, "cassandra"}, {9090, "prometheus"}, {9092, "kafka"},
	{9093, "alertmanager"}, {9100, "jetdirect"}, {9100, "node-exporter"}, {9200, "elasticsearch"}, {9418, "git"},
	{10000, "webmin"}, {10000, "ndmp"}, {10050, "zabbix-agent"}, {10051, "zabbix-trapper"}, {10250, "kubelet"},
	{11211, "memcached"}, {11211, "memcache"}, {15672, "rabbitmq-mgmt"}, {25565, "minecraft"}, {27017, "mongodb"},
	{32400, "plex"}, {50000, "db2"}, {61616, "activemq"},
}

// ServiceName returns the usual name of the TCP service on port, or "". It
// says what is expected there, not what listens.
func ServiceName(port uint16) string {
	i := sort.Search(len(services), func(i int) bool { return services[i].port >= port })
	if i < len(services) && services[i].port == port {
		return services[i].name
	}
	return ""
}

// ServicePort returns the port that goes by this name, in letters of either
// case. The table is the program's own: a list of ports means the same on
// every host, whatever its /etc/services says.
func ServicePort(name string) (uint16, bool) {
	for _, s := range services {
		if strings.EqualFold(s.name, name) {
			return s.port, true
		}
	}
	return 0, false
}

// CommonPorts returns the 100 TCP ports that are probed where none are asked
// for: those on which something is most often found, or most matters if it is.
func CommonPorts() Ports {
	return portSet(
		// Remote access, desktops and consoles.
		21, 22, 23, 512, 513, 514, 902, 2222, 3389, 5800, 5900, 5901, 5985, 5986, 6000, 8291,
		// Web, and what is reached by a browser.
		80, 81, 443, 3000, 5000, 7001, 8000, 8008, 8009, 8080, 8081, 8088, 8443, 8888, 9000, 9090, 9443, 10000,
		// Mail and news.
		25, 106, 110, 119, 143, 465, 587, 993, 995,
		// Names, directories and time.
		37, 53, 88, 113, 389, 464, 636, 3268,
		// Windows: RPC, file sharing, and the first dynamic ports.
		135, 139, 445, 1025, 5357, 49152, 49153, 49154,
		// Files, storage and printers.
		111, 515, 548, 631, 873, 2049, 3260, 9100,
		// Databases and caches.
		1433, 1521, 3306, 5432, 5984, 6379, 8086, 9042, 9200, 11211, 27017,
		// Messages and queues.
		1883, 5222, 5672, 9092,
		// Clusters and their keepers.
		2181, 2375, 2379, 6443, 8500, 10250,
		// Voice and video.
		554, 1720, 5060,
		// Routers, proxies, tunnels and monitoring.
		179, 199, 1080, 1723, 3128, 5666, 7547, 10050,
		// The oldest that still answers.
		7,
	)
}

func portSet(list ...uint16) Ports {
	ports := make(Ports, len(list))
	for i, port := range list {
		ports[i] = PortRange{port, port}
	}
	return normalizePorts(ports)
}

// nearestService returns the service name that s most likely misspells, or
// "" where none is near. Of equally near names it takes one that begins with
// the same letter, as a misspelling seldom changes that.
func nearestService(s string) string {
	const longest = 24 // no name is longer by more than an edit or two
	if len(s) > longest {
		return ""
	}
	s = strings.ToLower(s)
	near, best := "", 2
	if len(s) > 4 {
		best = 3
	}
	for _, known := range services {
		d := editDistance(s, known.name)
		if d < best || d == best && near != "" && near[0] != s[0] && known.name[0] == s[0] {
			near, best = known.name, d
		}
	}
	return near
}

// editDistance counts the octets to insert, delete, replace or swap with
// their neighbour that turn a into b (the optimal string alignment).
func editDistance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
