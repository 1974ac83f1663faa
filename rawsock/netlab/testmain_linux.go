package netlab

import (
	"context"
	"fmt"
	"os"
)

// liveEnv, set to "skip", skips every live test. It is the only thing that
// does: a host where they cannot run makes them fail.
const liveEnv = "TCPSCOPE_LIVE"

// TestMain runs a package's tests inside namespaces of their own, and exits.
// Call it from the package's TestMain:
//
//	func TestMain(m *testing.M) { netlab.TestMain(m) }
//
// The test binary runs again there with the same flags, so coverage, fuzzing
// and the test cache work as ever. Where the host forbids it the tests fail
// with the reason and what to do. With TCPSCOPE_LIVE=skip in the environment
// they run outside, and Start and Live skip the test that calls them.
func TestMain(m interface{ Run() int }) {
	if status, isInit := Init(); isInit {
		os.Exit(status)
	}
	if Inside() {
		os.Exit(m.Run())
	}
	if os.Getenv(liveEnv) == "skip" {
		fmt.Fprintf(os.Stderr, "netlab: %s=skip: LIVE TESTS ARE SKIPPED\n", liveEnv)
		os.Exit(m.Run())
	}
	status, err := runInside()
	if err != nil {
		fmt.Fprintf(os.Stderr, "netlab: error: live tests cannot run here: %v\n", err)
		if hint, ok := err.(interface{ Hint() string }); ok {
			fmt.Fprintf(os.Stderr, "netlab: hint: %s\nnetlab: hint: %s=skip skips the live tests\n", hint.Hint(), liveEnv)
		}
		os.Exit(1)
	}
	os.Exit(status)
}

// runInside runs this program once more, inside, with everything it was given.
func runInside() (int, error) {
	cmd, err := Command(context.Background(), os.Args[1:]...)
	if err != nil {
		return 0, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// TB is the part of testing.TB that Start and Live use.
type TB interface {
	Helper()
	Fatal(args ...any)
	Skip(args ...any)
	Cleanup(func())
}

// Live skips the test if live tests are to be skipped. Start does the same;
// Live is for tests that need the namespaces but no laboratory.
func Live(t TB) {
	t.Helper()
	if os.Getenv(liveEnv) == "skip" {
		t.Skip(liveEnv + "=skip")
	}
}

// Start builds a laboratory for the duration of a test.
func Start(t TB, topology Topology) *Lab {
	t.Helper()
	Live(t)
	lab, err := Build(topology)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return lab
}
