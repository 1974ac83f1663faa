package filter

import (
	"errors"
	"strings"
	"testing"
)

// faults are texts that are not understood, and what is said of them.
func faults() []struct{ text, want string } {
	return []struct{ text, want string }{
		{`ether host 0:1:2:3:4:5`, `filter, column 1: "ether" asks for the link layer, which a filter does not see here: name IPv4 addresses, with host or net`},
		{`tcp and ether`, `filter, column 9: "ether" asks for the link layer, which a filter does not see here: name IPv4 addresses, with host or net`},
		{`ether[0] & 1 != 0`, `filter, column 1: "ether" asks for the link layer, which a filter does not see here: name IPv4 addresses, with host or net`},
		{`gateway router`, `filter, column 1: "gateway" asks for the link layer, which a filter does not see here: exclude the gateway's own address, with "not host"`},
		{`vlan 100`, `filter, column 1: "vlan" asks for an encapsulation, which a filter does not see here: choose the device that carries the inner packets instead`},
		{`ip6`, `filter, column 1: "ip6" asks for IPv6, and only IPv4 is looked at: leave it out`},
		{`icmp6`, `filter, column 1: "icmp6" asks for IPv6, and only IPv4 is looked at: leave it out`},
		{`arp`, `filter, column 1: "arp" is not IPv4, and only IPv4 is looked at: leave it out`},
		{`inbound`, `filter, column 1: "inbound" asks how a packet came here, which is not part of it: name the addresses, with src and dst`},
		{`tcp and outbound`, `filter, column 9: "outbound" asks how a packet came here, which is not part of it: name the addresses, with src and dst`},
		{`broadcast`, `filter, column 1: "broadcast" needs the device's netmask: name the address, as in dst host 255.255.255.255`},
		{`ip broadcast`, `filter, column 4: "broadcast" needs the device's netmask: name the address, as in dst host 255.255.255.255`},
		{`multicast`, `filter, column 1: "multicast" asks for the link layer, which a filter does not see here: write ip[16] >= 224`},
		{`protochain 6`, `filter, column 1: "protochain" follows IPv6's chain of headers: write proto`},
		{`byte 3 = 4`, `filter, column 1: "byte" counts from the link layer, which a filter does not see here: write ip[N] or tcp[N]`},
		{`igrp`, `filter, column 1: "igrp" has no name here: write proto 9`},
		{`carp`, `filter, column 1: "carp" has no name here: write proto 112`},
		{`TCP`, `filter, column 1: "TCP" is no word of the filter language: did you mean "tcp"?`},
		{`tpc`, `filter, column 1: "tpc" is no word of the filter language: did you mean "tcp"?`},
		{`prot 80`, `filter, column 1: "prot" is no word of the filter language: did you mean "port"?`},
		{`tcp prot 80`, `filter, column 5: "prot" is no word of the filter language: did you mean "port"?`},
		{`hots 10.0.0.1`, `filter, column 1: "hots" is no word of the filter language: did you mean "host"?`},
		{`portragne 80-90`, `filter, column 1: "portragne" is no word of the filter language: did you mean "portrange"?`},
		{`flags`, `filter, column 1: "flags" is no word of the filter language: put host before the name of a host, port before that of a service`},
		{`xyzzy`, `filter, column 1: "xyzzy" is no word of the filter language: put host before the name of a host, port before that of a service`},
		{`port 80 or tpc`, `filter, column 12: "tpc" is no service that is known here: did you mean "tcp"?`},
		{`host 10.0.0.1 and prot 80`, `filter, column 19: "prot" is no host that can be found: no such host: did you mean "port"?`},
		{`src hosst 10.0.0.1`, `filter, column 5: "hosst" is no host that can be found: no such host: did you mean "host"?`},
		{`10.0.0.1`, `filter, column 1: "10.0.0.1" has nothing before it that says what it is: put host, net or port before it`},
		{`fe80::1`, `filter, column 1: "fe80::1" is no IPv4 address: only IPv4 is looked at`},
		{`80`, `filter, column 1: "80" has nothing before it that says what it is: put host, net or port before it`},
		{`ip 10.0.0.1`, `filter, column 4: "10.0.0.1" has nothing before it that says what it is: put host, net or port before it`},
		{`tcp 80`, `filter, column 5: "80" has nothing before it that says what it is: put host, net or port before it`},
		{`tcp or 80`, `filter, column 8: "80" has nothing before it that says what it is: put host, net or port before it`},
		{`tcp ant`, `filter, column 5: "ant" is no word of the filter language: did you mean "and"?`},
		{`host`, `filter, column 5: the end stands where a host should`},
		{`host )`, `filter, column 6: ")" stands where a host should`},
		{`host tcp`, `filter, column 6: "tcp" stands where a host should: for a name that is spelt so, write \tcp`},
		{`host ether`, `filter, column 6: "ether" stands where a host should: for a name that is spelt so, write \ether`},
		{`host 10`, `filter, column 6: "10" is not a whole address: write net 10, or port 10`},
		{`host 10.1`, `filter, column 6: "10.1" is not a whole address: write net 10.1`},
		{`host 10.0.0.256`, `filter, column 6: "10.0.0.256" is no IPv4 address: the greatest octet is 255`},
		{`host 1.2.3.4.5`, `filter, column 6: "1.2.3.4.5" is no IPv4 address: write one to four octets with dots between them`},
		{`host 10.0.0.0/8`, `filter, column 14: "/" belongs to a net: write net 10.0.0.0/8`},
		{`host 10.0.0.0 mask 255.0.0.0`, `filter, column 15: "mask" belongs to a net: write net 10.0.0.0 mask 255.0.0.0`},
		{`host fe80::1`, `filter, column 6: "fe80::1" is no IPv4 address: only IPv4 is looked at`},
		{`host ::1`, `filter, column 6: "::1" is no IPv4 address: only IPv4 is looked at`},
		{`host 00:11:22:33:44:55`, `filter, column 6: "00:11:22:33:44:55" is no IPv4 address: only IPv4 is looked at`},
		{`host six`, `filter, column 6: "six" has no IPv4 address: only IPv4 is looked at`},
		{`host nowhere`, `filter, column 6: "nowhere" is no host that can be found: no such host`},
		{`host not`, `filter, column 9: the end stands where a host should`},
		{`src`, `filter, column 4: the end stands where a host should`},
		{`src 80`, `filter, column 5: "80" is not a whole address: write net 80, or port 80`},
		{`src or`, `filter, column 5: "or" stands where a host should`},
		{`net ant`, `filter, column 5: "ant" is no net, and names of nets are not looked up: write it as in 10.0.0.0/8`},
		{`net fe80::/64`, `filter, column 5: "fe80::" is no IPv4 net: only IPv4 is looked at`},
		{`net 10.0.0.1/8`, `filter, column 5: "10.0.0.1" has bits beyond its mask: write net 10.0.0.0/8, or host 10.0.0.1`},
		{`net 10.0.0.0/33`, `filter, column 14: "33" is no length of a prefix: write 0 to 32`},
		{`net 10/x`, `filter, column 8: "x" is no length of a prefix: write 0 to 32`},
		{`net 10.0.0.1 mask 255.0`, `filter, column 5: "10.0.0.1" has bits beyond its mask: write net 10.0.0.0/8, or host 10.0.0.1`},
		{`net 10.0.0.0 mask 300.0.0.0`, `filter, column 19: "300.0.0.0" is no IPv4 address: the greatest octet is 255`},
		{`net 1.2.3.4.5`, `filter, column 5: "1.2.3.4.5" is no IPv4 address: write one to four octets with dots between them`},
		{`port`, `filter, column 5: the end stands where a port should`},
		{`port 65536`, `filter, column 6: "65536" is no port: the greatest is 65535`},
		{`port 99999999999999999999`, `filter, column 6: "99999999999999999999" is no port: the greatest is 65535`},
		{`port 08`, `filter, column 6: "08" is no port: a leading zero makes it octal`},
		{`port 10.0.0.1`, `filter, column 6: "10.0.0.1" is no port: put host before an address`},
		{`port htpt`, `filter, column 6: "htpt" is no service that is known here: write its number`},
		{`port 80-90`, `filter, column 6: "80-90" is no port: write portrange 80-90`},
		{`port 80,443`, `filter, column 8: "," has no meaning in a filter: list alternatives with "or"`},
		{`port {80 or 443}`, `filter, column 6: "{" has no meaning in a filter: group with parentheses`},
		{`port "80"`, `filter, column 6: "\"" has no meaning in a filter: leave quotes to the shell`},
		{`ip port 80`, `filter, column 1: "ip" has no ports: write tcp, udp or sctp, or leave it out`},
		{`icmp port 80`, `filter, column 1: "icmp" has no ports: write tcp, udp or sctp, or leave it out`},
		{`tcp port tftp`, `filter, column 10: "tftp" is a service of udp: leave tcp out`},
		{`udp port http`, `filter, column 10: "http" is a service of tcp: leave udp out`},
		{`sctp port http`, `filter, column 11: "http" is no service of sctp: write its number`},
		{`portrange 80-70000`, `filter, column 11: "80-70000" is no range of ports: write it as in 6000-6008, up to 65535`},
		{`portrange a-b`, `filter, column 11: "a-b" is no range of ports: write it as in 6000-6008, up to 65535`},
		{`portrange`, `filter, column 10: the end stands where a portrange should`},
		{`tcp host 10.0.0.1`, `filter, column 1: "tcp" does not go with host: write tcp and host`},
		{`tcp src 80`, `filter, column 1: "tcp" does not go with host: write tcp src port 80`},
		{`udp net 10`, `filter, column 1: "udp" does not go with net: write udp and net`},
		{`tcp proto 6`, `filter, column 1: "tcp" does not go with proto: write ip, or leave it out`},
		{`src proto 6`, `filter, column 1: "src" does not go with proto, which has no direction: leave it out`},
		{`proto 256`, `filter, column 7: "256" is no protocol number: the greatest is 255`},
		{`proto ip`, `filter, column 7: "ip" is no protocol known by name: write its number`},
		{`proto foo`, `filter, column 7: "foo" is no protocol known by name: write its number`},
		{`proto ospfx`, `filter, column 7: "ospfx" is no protocol known by name: write its number`},
		{`less`, `filter, column 5: the end stands where a number should`},
		{`less x`, `filter, column 6: "x" stands where a number should`},
		{`greater 5000000000`, `filter, column 9: "5000000000" is no number: the greatest is 4294967295`},
		{`tcp[13] & 2`, `filter, column 1: "tcp" begins a number that is compared with nothing: end it with a comparison, such as "!= 0"`},
		{`tcp[13`, `filter, column 7: the end stands where "]" should: close the bracket`},
		{`tcp[13:3] = 1`, `filter, column 8: "3" is no size of a field: write 1, 2 or 4`},
		{`tcp[13:] = 1`, `filter, column 8: "]" is no size of a field: write 1, 2 or 4`},
		{`tcp[] = 1`, `filter, column 5: "]" stands where a number should`},
		{`tcp[65536] = 1`, `filter, column 5: "65536" begins an offset beyond the longest datagram: the last octet is 65535`},
		{`tcp[tcpflag] & 2 != 0`, `filter, column 5: "tcpflag" stands where a number should: did you mean "tcpflags"?`},
		{`tcp[tcpflags] & tcp-sin != 0`, `filter, column 17: "tcp-sin" stands where a number should: did you mean "tcp-fin"?`},
		{`tcp[13] = `, `filter, column 11: the end stands where a number should`},
		{`tcp[13] = 1 = 1`, `filter, column 13: "=" compares a comparison: join two of them with "and"`},
		{`tcp[13] = syn`, `filter, column 11: "syn" stands where a number should: did you mean "tcp-syn"?`},
		{`esp[0] = 1`, `filter, column 1: "esp" has no fields that can be named`},
		{`tpc[13] = 2`, `filter, column 1: "tpc" is no protocol whose fields can be named: did you mean "tcp"?`},
		{`foo[13] = 2`, `filter, column 1: "foo" is no protocol whose fields can be named`},
		{`ip6[6] = 6`, `filter, column 1: "ip6" asks for IPv6, and only IPv4 is looked at: leave it out`},
		{`len-1 = 3`, `filter, column 1: "len-1" is one word, not a difference: put spaces around "-"`},
		{`ip[8] = 2-1`, `filter, column 9: "2-1" is one word, not a difference: put spaces around "-"`},
		{`ip[8] / 0 = 1`, `filter, column 7: "/" divides by zero`},
		{`ip[8] % (1 - 1) = 1`, `filter, column 7: "%" divides by zero`},
		{`ip[8] << 32 = 1`, `filter, column 7: "<<" shifts by more than 31 bits`},
		{`ip[8] % 3 + 1 = 2`, `filter, column 7: "%" beside another operator is read differently by tcpdump and by C: put parentheses`},
		{`ip[8] * 3 % 5 = 2`, `filter, column 11: "%" beside another operator is read differently by tcpdump and by C: put parentheses`},
		{`-ip[8] % 3 = 1`, `filter, column 8: "%" beside another operator is read differently by tcpdump and by C: put parentheses`},
		{`(tcp = 1)`, `filter, column 6: "=" stands where ")" should: close the parenthesis`},
		{`(tcp[13] & (2) = 0`, `filter, column 19: the end stands where ")" should: close the parenthesis`},
		{`(tcp`, `filter, column 5: the end stands where ")" should: close the parenthesis`},
		{`tcp)`, `filter, column 4: ")" closes nothing`},
		{`()`, `filter, column 2: ")" stands where a condition should`},
		{`tcp and`, `filter, column 8: the end comes too soon: a condition is missing`},
		{`and tcp`, `filter, column 1: "and" stands where a condition should`},
		{`tcp and or udp`, `filter, column 9: "or" stands where a condition should`},
		{`tcp udp`, `filter, column 5: "udp" follows without a conjunction: put "and" or "or" before it`},
		{`tcp (udp)`, `filter, column 5: "(" follows without a conjunction: put "and" or "or" before it`},
		{`tcp not udp`, `filter, column 5: "not" follows without a conjunction: put "and" or "or" before it`},
		{`not`, `filter, column 4: the end comes too soon: a condition is missing`},
		{`!`, `filter, column 2: the end comes too soon: a condition is missing`},
		{`tcp & udp`, `filter, column 5: "&" joins numbers, not conditions: write "and" or "or"`},
		{`tcp = udp`, `filter, column 5: "=" does not belong here`},
		{`tcp # udp`, `filter, column 5: "#" has no meaning in a filter`},
		{`tcp ünd udp`, `filter, column 5: "ü" has no meaning in a filter`},
		{`a_very_long_word_that_nobody_would_ever_write_into_a_filter`, `filter, column 1: "a_very_long_word_that_nobody_would_ever_..." is no word of the filter language: put host before the name of a host, port before that of a service`},
		{`\tcp`, `filter, column 1: "tcp" is no word of the filter language: put host before the name of a host, port before that of a service`},
		{`host \`, `filter, column 6: "\\" has no meaning in a filter`},
		{`tcp[\tcp] = 1`, `filter, column 5: "\\" has no meaning in a filter`},
		{`port 80 and tcp[13] & 2 != 0 or 443`, `filter, column 33: "443" has nothing before it that says what it is: put host, net or port before it`},
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range faults() {
		_, err := testConfig().Parse(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	_, err := Parse("tcp and " + strings.Repeat("(", maxText))
	if want := "filter of 16392 octets: the longest has 16384"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestErrorFields(t *testing.T) {
	_, err := testConfig().Parse("tcp and host nowhere")
	var e *Error
	if !errors.As(err, &e) || e.Column != 14 || e.Word != "nowhere" || e.Err == nil || !errors.Is(err, e.Err) {
		t.Errorf("got %#v", err)
	}
	_, err = Parse("host ant")
	if want := `filter, column 6: "ant" is no IPv4 address, and names of hosts are not looked up`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
