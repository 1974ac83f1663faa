package rtt

import (
	"errors"
	"sync"
)

// closers are sockets to be closed side by side: each may wait until no
// processor looks at it any more (synchronize_net), some 20 ms. The zero value
// has none.
type closers struct {
	waiting sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

// add begins to close one more.
func (c *closers) add(f func() error) {
	c.waiting.Go(func() {
		err := f()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs = append(c.errs, err)
	})
}

// close returns when all are closed.
func (c *closers) close() error {
	c.waiting.Wait()
	return errors.Join(c.errs...)
}
