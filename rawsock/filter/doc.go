// Package filter compiles tcpdump's filter language, as far as TCP over IPv4
// needs it, to classic BPF for sockets whose packets begin at the IPv4 header.
//
// It is pure: no socket, and no look-up of host names but by the function that
// the caller gives it. An expression means what pcap-filter(7) says:
//
//	expression = term { ("and" | "&&" | "or" | "||") (term | id) }
//	term       = ("not" | "!") term | "(" expression ")" | primitive
//	primitive  = protocol
//	           | [protocol] [direction] [type] id
//	           | ["ip"] "proto" (NUMBER | protocol)
//	           | ("less" | "greater") NUMBER
//	           | sum relation sum
//	direction  = "src" | "dst" | "src or dst" | "src and dst"
//	type       = "host" | "net" | "port" | "portrange"
//	id         = address | net | number | range | name | "not" id | "(" id ... ")"
//	relation   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
//	sum        = numbers, "len", protocol "[" sum [":" 1|2|4] "]", names of
//	             fields, flags and ICMP types, "(" sum ")",
//	             joined by + - * / % & | ^ << >>
//
// "and" and "or" bind equally, from left to right, and "not" binds before both.
// An id without qualifiers takes those of the primitive before it: "port 80 or
// 443". The relations bind last, the arithmetic operators from | over &, shifts,
// and sums to products. Arithmetic is that of unsigned 32-bit numbers.
//
// As in libpcap, a port or a field of a transport header is only found behind a
// protocol check and in first fragments, behind an IP header of any length; "not"
// is true of everything else. A field that lies beyond the packet's end rejects
// the packet, whatever else is asked, and so does a division by zero.
//
// It differs from libpcap so far:
//   - Every packet is taken to be IPv4: "ip" is always true, and what could only
//     match other protocols, or needs the link layer, is refused.
//   - len counts from the IPv4 header on: on Ethernet 14 less than tcpdump's.
//   - The protocol of a field is checked wherever in a sum the field stands. libpcap
//     forgets it to the right of an operator: "1 + tcp[13] = 3" finds UDP, too.
//   - % and ^ beside another operator need parentheses: there libpcap groups
//     neither as C does nor as its manual says.
//   - A host is a whole address: "host 10" and "host 10.1", which libpcap reads as
//     0.0.0.10 and as a net, are refused, with the form to write instead. "net 0" is
//     0.0.0.0/8.
//   - "net 10/8", "proto tcp" without a backslash, and "tcp[2-1]" are understood.
//   - Where a packet ends within its headers, "or" may differ: libpcap's optimizer
//     moves and drops loads that would reject it.
package filter
