package filter_test

import (
	"fmt"

	"github.com/tcpscope/tcpscope/rawsock/filter"
)

func ExampleParse() {
	e, err := filter.Parse("tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 and not src net 10 or 192.168/16")
	fmt.Println(e, err)
	program, err := e.Program()
	fmt.Println(len(program), err)
	_, err = filter.Parse("host 10.0.0.1 and (prot 80)")
	fmt.Println(err)
	// Output:
	// (tcp[13] & 6 != 0 and not src net 10.0.0.0/8) or src net 192.168.0.0/16 <nil>
	// 15 <nil>
	// filter, column 20: "prot" is no IPv4 address, and names of hosts are not looked up: did you mean "port"?
}
