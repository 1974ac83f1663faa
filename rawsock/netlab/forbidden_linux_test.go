package netlab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	const (
		appArmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
		debian   = "/proc/sys/kernel/unprivileged_userns_clone"
		users    = "/proc/sys/user/max_user_namespaces"
		nets     = "/proc/sys/user/max_net_namespaces"
		status   = "/proc/self/status"
	)
	for _, test := range []struct {
		name         string
		errno        syscall.Errno
		root         bool
		files        map[string]string
		reason, hint string // parts of them
	}{
		{"ubuntu", syscall.EPERM, false, map[string]string{appArmor: "1\n"}, "AppArmor", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"ubuntu, later", syscall.EACCES, false, map[string]string{appArmor: "1\n"}, "AppArmor", "run as root"},
		{"debian", syscall.EPERM, false, map[string]string{debian: "0\n"}, "unprivileged_userns_clone is 0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"no user namespaces", syscall.ENOSPC, false, map[string]string{users: "0\n"}, "user.max_user_namespaces is 0", "sysctl user.max_user_namespaces="},
		{"no network namespaces", syscall.ENOSPC, true, map[string]string{nets: "0\n"}, "user.max_net_namespaces is 0", "sysctl user.max_net_namespaces="},
		{"too many", syscall.ENOSPC, true, map[string]string{users: "100\n"}, "too many", "close other"},
		{"old kernel", syscall.EINVAL, true, nil, "built without", "CONFIG_USER_NS"},
		{"container", syscall.EPERM, true, map[string]string{status: "Name:\tx\nSeccomp:\t2\n", appArmor: "1\n"}, "seccomp", "--security-opt seccomp=unconfined"},
		{"container, new", syscall.ENOSYS, true, map[string]string{status: "Seccomp:\t2\n"}, "seccomp", "outside"},
		{"nobody knows", syscall.EPERM, false, map[string]string{appArmor: "0\n", status: "Seccomp:\t0\n"}, "security module", "root"},
	} {
		cause := os.NewSyscallError("clone", test.errno)
		err := explain(cause, test.root, func(path string) string { return test.files[path] })
		var forbidden *ForbiddenError
		if !errors.As(err, &forbidden) || !errors.Is(err, test.errno) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if !strings.Contains(err.Error(), test.reason) || !strings.Contains(forbidden.Hint(), test.hint) {
			t.Errorf("%s: %v; %s", test.name, err, forbidden.Hint())
		}
	}
	other := os.NewSyscallError("clone", syscall.ENOMEM)
	if err := explain(other, false, func(string) string { return "" }); err != other {
		t.Errorf("what forbids nothing became %v", err)
	}
}

// What the init process reports through its pipe comes back as the error that
// it was.
func TestReport(t *testing.T) {
	for _, err := range []error{
		os.NewSyscallError("mount /proc", syscall.EACCES),
		fmt.Errorf("while busy: %w", os.NewSyscallError("set lo up", syscall.EPERM)),
		errors.New("something else"),
	} {
		got := parseReport(formatReport(err))
		var want, errno syscall.Errno
		if errors.As(err, &want) != errors.As(got, &errno) || want != errno {
			t.Errorf("%v came back as %v", err, got)
		}
		if want == 0 && got.Error() != err.Error() {
			t.Errorf("%v came back as %v", err, got)
		}
	}
}
