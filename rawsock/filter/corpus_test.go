package filter

import (
	"errors"
	"net/netip"
	"strings"
)

// testConfig knows a few names, the same on every machine.
func testConfig() Config {
	services := map[string]int{
		"tcp/http": 80, "tcp/ssh": 22, "tcp/domain": 53, "udp/domain": 53, "udp/tftp": 69, "tcp/ftp-data": 20,
		"tcp/login": 513, "udp/who": 513, "tcp/twice": 1, "udp/twice": 2,
	}
	hosts := map[string]string{"ant": "10.0.0.1", "apple": "10.0.0.2 ::1 10.1.2.3", "six": "fe80::1", "tcp": "10.6.6.6"}
	return Config{
		LookupPort: func(network, name string) (int, error) {
			if port, ok := services[network+"/"+name]; ok {
				return port, nil
			}
			return 0, errors.New("unknown port")
		},
		LookupHost: func(name string) ([]netip.Addr, error) {
			addresses, ok := hosts[name]
			if !ok {
				return nil, errors.New("no such host")
			}
			var list []netip.Addr
			for a := range strings.FieldsSeq(addresses) {
				list = append(list, netip.MustParseAddr(a))
			}
			return list, nil
		},
	}
}

// corpus returns expressions that tcpdump understands too, without names of
// hosts. Where packets end within their headers is the tests' own affair.
func corpus() []string {
	return strings.Split(strings.TrimSpace(`
ip
not ip
tcp
udp
icmp
igmp
sctp
esp
not tcp
! tcp
tcp or udp
tcp || icmp
tcp && dst host 10.0.0.1
host 10.0.0.1
src host 10.0.0.1
dst host 10.0.0.1
src 10.0.0.1
dst 10.0.0.1
ip host 10.0.0.1
ip src 10.0.0.1
src or dst host 10.0.0.1
src and dst host 10.0.0.1
dst and src net 10
src host 10.0.0.1 or 10.0.0.2
src host 10.0.0.1 or dst 10.0.0.2
host (10.0.0.1 or 10.0.0.2)
host 10.0.0.1 and (10.0.0.2 or 127.0.0.1)
host 10.0.0.1 and not 10.0.0.2
host not 10.0.0.1
not host 10.0.0.1 and port 80
not (host 10.0.0.1 and port 80)
net 10
net 10.1
net 10.1.2
net 10.1.2.3
src net 10.1
dst net 192.168.0.0/16
net 192.168.0.0/23
net 0.0.0.0/0
net 10.1.2.3/32
net 10.0.0.0 mask 255.0.0.0
net 10.0.0.1 mask 255.0.0.255
net 10.1 mask 255.255
net 10.0.0.0/8 or 192.168.1.0/24
port 80
src port 80
dst port 80
src or dst port 80
src and dst port 80
tcp port 80
udp port 53
sctp port 80
tcp src port 80
tcp dst port 80 or 443
port 0x50
port 0120
port 80 or 443
port 80 or 443 or 22 and host 10.0.0.1
port 80 and 443
port (80 or 443)
port 80 or (443)
not port 80
not tcp port 80
tcp port 80 and not src host 10.0.0.1
port http
port domain
tcp port domain
udp port domain
tcp port ssh or http
dst port ftp-data
portrange 80-90
portrange 90-80
portrange 6000
src portrange 6000-6008
tcp dst portrange 6000-6008
portrange 0-65535
portrange 0-79 or 81-65535
portrange ssh-http
proto 6
ip proto 17
proto 6 or 17
ip proto \tcp
proto \icmp
proto 0x84
proto \udp or \icmp
host 10.0.0.1 and port 80
host 10.0.0.1 or port 80 and tcp
tcp or udp and port 53
port 80 or tcp and net 10
less 60
greater 60
len = 40
len > 100
len - 20 > 100
len <= ip[2:2]
ip[2:2] = len
tcp[13] & 2 != 0
tcp[13] & 2 = 0
tcp[13] & 2 == 2
0 != tcp[13] & 2
not tcp[13] & 2 != 0
tcp[tcpflags] & (tcp-syn|tcp-rst) != 0
tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn
tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)
(tcp[tcpflags] & tcp-fin) != 0
tcp[tcpflags] == tcp-syn or tcp[tcpflags] == tcp-syn|tcp-ack
tcp[13] = 18 and port 80
tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10
tcp[0:2] = 80
tcp[0:2] = tcp[2:2]
tcp[0:2] > tcp[2:2]
tcp[4:4] < 0x200
tcp[2:2] - tcp[0:2] > 0x80000000
udp[0:2] = 53
udp[4:2] >= 8
sctp[0:2] = 80
icmp[0] = 8
icmp[icmptype] = icmp-echo
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp[icmptype] == icmp-unreach or icmp[icmptype] == icmp-timxceed
icmp[icmpcode] = 1
not icmp[0] = 8
igmp[0] = 0
ip[0] & 0xf != 5
ip[0] & 0xf > 5
ip[6:2] & 0x1fff = 0
ip[6:2] & 0x4000 != 0
ip[8] < 5
ip[8] <= 5
ip[8] > 5
ip[8] >= 5
5 > ip[8]
64 = ip[8]
ip[8] != 64
ip[12:4] = 0x0a000001
ip[12:4] & 0xff000000 = 0x0a000000
ip[16] >= 224
ip[9] = 6 and ip[ip[0] * 4 - ip[0] / 16 * 64] = 0
ip[(ip[0] & 15) * 4:2] = 80
tcp[(tcp[12] >> 4) * 0 + 13] & tcp-syn != 0
ip[8] + 1 * 2 = 66
ip[8] * 2 + 1 = 129
ip[8] - 5 > 250
ip[8] / 4 = 16
ip[2:2] / ip[8] = 10
ip[2:2] / (ip[8] - 64) < 10
ip[2:2] % (ip[8] - 64) < 10
ip[8] % 3 = 1
(ip[8] % 3) + 1 = 2
ip[8] ^ 1 = 65
(ip[8] ^ ip[9]) & 1 = 0
ip[8] | 1 = 65
ip[8] | 1 & 2 = 64
ip[8] << 2 = 256
ip[8] >> 2 = 16
1 << ip[8] = 0
1 << ip[9] > 1
0x80000000 >> (ip[8] & 31) > 1
ip[9] << ip[8] = 0
-ip[8] > 0x80000000
- 1 > ip[8]
1 - ip[8] = 0
1 = 1
1 > 2
not 1 = 1
tcp and 1 = 1
1 + 2 * 3 = 7
(1 + 2) * 3 = 9
10 - 2 - 3 = 5
7 & 3 | 8 = 11
ip[2] * 256 + ip[3] = len
((ip[8] + 1) * (ip[9] + 1)) - ((ip[8] - 1) * (ip[9] - 1)) > 100
udp or tcp[13] & 4 != 0
tcp[13] & 4 != 0 or udp
`), "\n")
}
