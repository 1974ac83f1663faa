// Package netlab builds laboratories: networks of hosts, routers, links,
// firewalls and NATs, made of Linux namespaces inside one process, without
// root and without any other program.
//
// A process enters its own user, network, mount and PID namespaces first
// (Command, TestMain), so the initial namespaces are never touched and the
// kernel clears everything away when the process ends, however it ends.
package netlab
