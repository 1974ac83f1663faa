package finding

// Table returns every kind of object in the order in which a run reports
// them. It shares the one table and must not be modified.
func Table() []ObjectSpec { return table[:] }

var table = [...]ObjectSpec{
	{
		Kind: "run", Meaning: "how this run was started; always the first object",
		Fields: []FieldSpec{
			{Name: "version", Type: Text, Meaning: "version of tcpscope"},
			{Name: "args", Type: List, Meaning: "command line after the program's name"},
			{Name: "seed", Type: Int, Meaning: "seed of every random choice; --seed repeats them"},
			{Name: "source", Type: Address, Meaning: "address that the segments leave from"},
			{Name: "interface", Type: Text, Meaning: "device that they leave by"},
			{Name: "kernel", Type: Text, Meaning: "release of the kernel that sends them"},
			{Name: "at", Type: Time, Meaning: "when the run began"},
		},
	},
	{
		Kind: "port", Meaning: "what one port of one address answered",
		Fields: []FieldSpec{
			{Name: "target", Type: Text, Meaning: "target as it was asked for"},
			{Name: "addr", Type: Address, Meaning: "address that was probed"},
			{Name: "port", Type: Int, Meaning: "port that was probed"},
			{Name: "method", Type: Text, Meaning: "kind of probe: the command's name"},
			{Name: "state", Type: Text, Meaning: "verdict", Words: States()},
			{Name: "reason", Type: Text, Meaning: "what the verdict rests on", Words: Reasons()},
			{Name: "from", Type: Address, Meaning: "source address of the deciding reply"},
			{Name: "ttl", Type: Int, Meaning: "TTL of the deciding reply as it arrived"},
			{Name: "window", Type: Int, Unit: "octets", Meaning: "window of the deciding segment, unscaled"},
			{Name: "options", Type: List, Meaning: "TCP options of the deciding segment, in tcpdump's words"},
			{Name: "rtt_us", Type: Number, Unit: "us", Meaning: "time from the probe to the deciding reply, by the kernel's stamps"},
			{Name: "tries", Type: Int, Meaning: "probes sent to this port"},
			{Name: "at", Type: Time, Meaning: "when the deciding reply arrived; without a reply, when the last try left"},
			{Name: "origin", Type: Text, Meaning: "who is taken to have made the deciding reply", Words: Origins()},
			{Name: "detail", Type: Text, Meaning: "what else is worth knowing, in a sentence"},
		},
	},
	{
		Kind: "host-status", Meaning: "what is known of an address beyond its ports; stands in place of its port objects where nothing answered",
		Fields: []FieldSpec{
			{Name: "target", Type: Text, Meaning: "target as it was asked for"},
			{Name: "addr", Type: Address, Meaning: "address that was probed"},
			{Name: "status", Type: Text, Meaning: "verdict on the address", Words: HostStatuses()},
			{Name: "reason", Type: Text, Meaning: "what the verdict rests on", Words: Reasons()},
			{Name: "from", Type: Address, Meaning: "source address of the deciding reply"},
			{Name: "ports", Type: Int, Meaning: "ports probed on this address"},
			{Name: "detail", Type: Text, Meaning: "what else is worth knowing, in a sentence"},
		},
	},
	{
		Kind: "segment", Meaning: "one segment, or one ICMP error about one, sent or received",
		Fields: []FieldSpec{
			{Name: "n", Type: Int, Meaning: "place in this run, counted from 1"},
			{Name: "at", Type: Time, Meaning: "when it was sent or arrived, by the kernel's stamp"},
			{Name: "dt_us", Type: Number, Unit: "us", Meaning: "time since the segment before"},
			{Name: "direction", Type: Text, Meaning: "which way it went", Words: Directions()},
			{Name: "from", Type: Text, Meaning: "source as ADDRESS:PORT; of ICMP the address alone"},
			{Name: "to", Type: Text, Meaning: "destination as ADDRESS:PORT; of ICMP the address alone"},
			{Name: "icmp", Type: Text, Meaning: "what an ICMP error says; absent in a TCP segment", Words: ICMPReasons()},
			{Name: "flags", Type: Text, Meaning: "control bits as tcpdump writes them: S SYN, F FIN, R RST, P PSH, . ACK, U URG, E ECE, W CWR"},
			{Name: "seq", Type: Int, Meaning: "sequence number, absolute"},
			{Name: "ack", Type: Int, Meaning: "acknowledgement number, absolute; absent without the ACK flag"},
			{Name: "len", Type: Int, Unit: "octets", Meaning: "data carried, without SYN and FIN"},
			{Name: "window", Type: Int, Unit: "octets", Meaning: "window field, unscaled"},
			{Name: "urgent", Type: Int, Unit: "octets", Meaning: "urgent pointer; absent without the URG flag"},
			{Name: "checksum", Type: Text, Meaning: "what is known of the TCP checksum", Words: Checksums()},
			{Name: "options", Type: List, Meaning: "TCP options in tcpdump's words"},
			{Name: "ttl", Type: Int, Meaning: "TTL as it was sent or arrived"},
			{Name: "ip_id", Type: Int, Meaning: "identification field of the IPv4 header"},
			{Name: "explanation", Type: Text, Meaning: "what it means, in a sentence or several"},
		},
	},
	{
		Kind: "error", Meaning: "why the run ended before its time",
		Fields: []FieldSpec{
			{Name: "message", Type: Text, Meaning: "what went wrong"},
			{Name: "hint", Type: Text, Meaning: "what may help"},
			{Name: "exit", Type: Int, Meaning: "exit status that it leads to"},
		},
	},
	{
		Kind: "summary", Meaning: "the run in figures; always the last object",
		Fields: []FieldSpec{
			{Name: "hosts", Type: Int, Meaning: "addresses probed"},
			{Name: "counts", Type: Counts, Meaning: "ports by state", Words: States()},
			{Name: "elapsed_ms", Type: Number, Unit: "ms", Meaning: "how long the run took"},
			{Name: "sent", Type: Int, Meaning: "segments sent"},
			{Name: "received", Type: Int, Meaning: "datagrams received that belong to the run"},
			{Name: "strays", Type: Int, Meaning: "replies that matched no probe"},
			{Name: "kernel_drops", Type: Int, Meaning: "arrivals that the kernel had no room for"},
			{Name: "limited_by", Type: Text, Meaning: "what the run had to wait for; absent where the answers set the pace", Words: Limits()},
			{Name: "detail", Type: Text, Meaning: "what else is worth knowing, in a sentence"},
			{Name: "exit", Type: Int, Meaning: "exit status"},
		},
	},
}
