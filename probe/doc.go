// Package probe sends single TCP segments to ports and says what the answers
// mean.
//
// Data flows one way. A Spec is what the user asked for; Plan turns it into
// the probes that will be sent, without touching the network; a Session sends
// them and matches what arrives, giving one Exchange for each probe; Judge
// turns an Exchange into a Finding. Planning, matching and judging are pure.
package probe
