package finding

// SocketStates returns the words for the state of a local socket: those of
// EndStates that are known, and listen.
func SocketStates() []Word {
	return append([]Word{{"listen", "takes connections"}}, KnownStates()...)
}

// Timers returns the words for what a socket's timer will do.
func Timers() []Word {
	return []Word{
		{"retransmit", "what is not acknowledged is sent again"},
		{"keepalive", "the peer is asked whether it is still there; or nobody holds the socket any more, and it gives up waiting for the peer's FIN"},
		{"time-wait", "the connection is forgotten"},
		{"probe", "the peer's window is closed, and is asked for"},
	}
}

// socketSpec is a field each for what ss tells of a socket, by ss's names
// where those are words.
func socketSpec() ObjectSpec {
	return ObjectSpec{
		Kind: "socket", Meaning: "one TCP socket of this host",
		Fields: []FieldSpec{
			{Name: "at", Type: Time, Meaning: "when the kernel was asked"},
			{Name: "state", Type: Text, Meaning: "its state", Words: SocketStates()},
			{Name: "recv_q", Type: Int, Unit: "octets", Meaning: "received and not read by the program yet, a FIN counting one; of listen the connections that wait to be accepted"},
			{Name: "send_q", Type: Int, Unit: "octets", Meaning: "sent and not acknowledged, or not sent yet; of listen the connections that may wait"},
			{Name: "local", Type: Text, Meaning: "its own end as ADDRESS:PORT"},
			{Name: "peer", Type: Text, Meaning: "the other end as ADDRESS:PORT; absent while there is none"},
			{Name: "timer", Type: Text, Meaning: "what it waits for; absent where nothing", Words: Timers()},
			{Name: "timer_ms", Type: Number, Unit: "ms", Meaning: "time until the timer runs out"},
			{Name: "retries", Type: Int, Meaning: "how often the timer ran out in vain"},
			{Name: "uid", Type: Int, Meaning: "user who made it; absent where nobody holds it any more"},
			{Name: "ino", Type: Int, Meaning: "inode, as in /proc/PID/fd; absent where nobody holds it any more, or not yet"},
			{Name: "sk", Type: Text, Meaning: "cookie, in hexadecimal digits: the kernel's name for the socket, which no other ever gets"},
			{Name: "device", Type: Text, Meaning: "device that it is bound to"},
			{Name: "v6only", Type: Bool, Meaning: "true if it is an IPv6 socket that takes no IPv4; else absent"},
			{Name: "fwmark", Type: Int, Meaning: "mark; absent if it is 0 or we lack CAP_NET_ADMIN, which seeing it takes"},
			{Name: "tos", Type: Int, Meaning: "type of service of what it sends; absent if it is 0"},
			{Name: "processes", Type: List, Meaning: "who holds it, as NAME,pid=PID,fd=DESCRIPTOR; with --processes only"},
			{Name: "congestion", Type: Text, Meaning: "congestion control"},
			{Name: "rtt_us", Type: Number, Unit: "us", Meaning: "smoothed round-trip time"},
			{Name: "rttvar_us", Type: Number, Unit: "us", Meaning: "its mean deviation"},
			{Name: "minrtt_us", Type: Number, Unit: "us", Meaning: "the least of late"},
			{Name: "rto_ms", Type: Number, Unit: "ms", Meaning: "retransmission timeout"},
			{Name: "mss", Type: Int, Unit: "octets", Meaning: "largest segment that it sends"},
			{Name: "cwnd", Type: Int, Unit: "segments", Meaning: "congestion window"},
			{Name: "snd_wnd", Type: Int, Unit: "octets", Meaning: "the peer's window; since Linux 5.4"},
			{Name: "unacked", Type: Int, Unit: "segments", Meaning: "in flight"},
			{Name: "lost", Type: Int, Unit: "segments", Meaning: "of these, taken for lost"},
			{Name: "retrans", Type: Int, Unit: "segments", Meaning: "ever sent again"},
			{Name: "bytes_acked", Type: Int, Unit: "octets", Meaning: "acknowledged by the peer so far"},
			{Name: "bytes_received", Type: Int, Unit: "octets", Meaning: "received so far"},
			{Name: "lastsnd_ms", Type: Number, Unit: "ms", Meaning: "time since data were last sent"},
			{Name: "lastrcv_ms", Type: Number, Unit: "ms", Meaning: "time since data were last received"},
			{Name: "drops", Type: Int, Meaning: "what it refused, if anything; of listen SYNs, and handshakes that found no room"},
			{Name: "explanation", Type: Text, Meaning: "what its state and queues mean; with --explain only"},
		},
	}
}

// socketSummarySpec is what stands below the sockets.
func socketSummarySpec() ObjectSpec {
	return ObjectSpec{
		Kind: "socket-summary", Meaning: "the sockets in figures; stands behind them, and with --watch behind every look",
		Fields: []FieldSpec{
			{Name: "n", Type: Int, Meaning: "number of the look, counted from 1; with --watch only"},
			{Name: "at", Type: Time, Meaning: "when the kernel was asked"},
			{Name: "sockets", Type: Int, Meaning: "sockets that were asked for"},
			{Name: "counts", Type: Counts, Meaning: "these by state", Words: SocketStates()},
			{Name: "hidden", Type: Int, Meaning: "processes that we may not look into, with --processes; absent if none"},
		},
	}
}
