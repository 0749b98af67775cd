package scheduler

import (
	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// key is what models know the function as that has number n.
func (f *Function) key(n decide.FunctionID) datasets.Function {
	return datasets.Function{ID: n, Owner: f.Owner, App: f.App, Name: f.Name}
}

// grow takes in an event that tells of something that is there and was not known.
func (c *Control) grow(ev *Event) ([]Order, error) {
	at, err := c.when(ev)
	if err != nil {
		return nil, err
	}
	var ds []decide.Decision
	switch ev.Kind {
	case decide.Deployed:
		ds, err = c.deploy(at, ev)
	case decide.Changed:
		ds, err = c.change(at, ev)
	case decide.Joined:
		ds, err = c.join(at, ev)
	default:
		ds, err = c.adopt(at, ev)
	}
	if err != nil {
		return nil, c.outside(ev, err)
	}
	for i := range ds {
		c.order(&ds[i])
	}
	return c.out, nil
}

// deploy takes in a function that is new. Models know it by its names, or not at all.
func (c *Control) deploy(at decide.Time, ev *Event) ([]decide.Decision, error) {
	f := ev.Deploy
	if f == nil {
		return nil, c.impossible(ev, "it does not say what was deployed")
	}
	if err := c.functions.fresh("function", f.ID); err != nil {
		return nil, c.impossible(ev, "%v", err)
	}
	p := c.names.profile(*f, c.cfg.Models)
	n := decide.FunctionID(c.s.view.Functions())
	known := f.key(n)
	if c.cfg.Models != nil {
		p.PerMinute = c.cfg.Models.rate[forecast.KeyOf(&known)]
	}
	_, ds, err := c.s.deploy(at, p, func() {
		if c.runtime != nil {
			c.runtime.Add(&known)
		}
	})
	if err != nil {
		return nil, err
	}
	c.functions.put(f.ID, n)
	for len(c.known) < int(n) { // numbers that layers have
		c.known = append(c.known, datasets.Function{})
	}
	c.known = append(c.known, known)
	return ds, nil
}

// change takes in another size or profile of a function. What is 0 stays.
func (c *Control) change(at decide.Time, ev *Event) ([]decide.Decision, error) {
	f := ev.Deploy
	if f == nil {
		return nil, c.impossible(ev, "it does not say what has changed")
	}
	n, ok := c.functions.get(f.ID)
	if !ok {
		return nil, c.impossible(ev, "there is no function %d", f.ID)
	}
	was := c.known[n]
	if f.Owner+f.App+f.Name+f.Language != "" && (f.Owner != was.Owner || f.App != was.App || f.Name != was.Name) {
		return nil, c.impossible(ev, "function %d is %s/%s/%s: a function with other names is to be deployed", f.ID, was.Owner, was.App, was.Name)
	}
	p := c.s.view.Profile(n)
	p.Memory, p.CPU = orElse(f.Memory, p.Memory), orElse(f.CPU, p.CPU)
	p.Execution = orElse(decide.FromDuration(f.Execution), p.Execution)
	p.Initialise = orElse(decide.FromDuration(f.Initialise), p.Initialise)
	p.Termination = orElse(decide.FromDuration(f.Termination), p.Termination)
	return c.s.Change(at, n, p)
}

// join takes in an invoker that is new. It gets the number of one of its size that was lost, if there is one.
func (c *Control) join(at decide.Time, ev *Event) ([]decide.Decision, error) {
	v := ev.Join
	if v == nil {
		return nil, c.impossible(ev, "it does not say what has joined")
	}
	if err := c.invokers.fresh("invoker", v.ID); err != nil {
		return nil, c.impossible(ev, "%v", err)
	}
	spec := decide.InvokerSpec{Memory: v.Memory, Cores: v.Cores, StartLimit: v.StartLimit}
	if free := c.lost[spec]; len(free) > 0 {
		i := free[len(free)-1]
		ds, err := c.s.rejoin(at, i)
		if err == nil {
			c.lost[spec] = free[:len(free)-1]
			c.invokers.put(v.ID, i)
		}
		return ds, err
	}
	i, ds, err := c.s.Join(at, spec)
	if err == nil {
		c.invokers.put(v.ID, i)
	}
	return ds, err
}

// adopt takes in what is there.
func (c *Control) adopt(at decide.Time, ev *Event) ([]decide.Decision, error) {
	k := ev.Adopt
	if k == nil {
		return nil, c.impossible(ev, "it does not say what is there")
	}
	a := Adoption{Invoker: decide.None, Status: k.Status}
	var ok bool
	if a.Function, ok = c.functions.get(ev.Function); !ok {
		return nil, c.impossible(ev, "there is no function %d", ev.Function)
	}
	if k.Container == 0 {
		if k.Status != decide.Gone {
			return nil, c.impossible(ev, "the id of a container must not be 0")
		}
	} else {
		if a.Invoker, ok = c.invokers.get(ev.Invoker); !ok {
			return nil, c.impossible(ev, "there is no invoker %d", ev.Invoker)
		}
		if k.Status == decide.Gone {
			return nil, c.impossible(ev, "container %d must have a status", k.Container)
		}
		if k.Container < c.next {
			return nil, c.impossible(ev, "the id of a container must be above those that were given out, at least %d, got %d", c.next, k.Container)
		}
		if k.Container == 1<<64-1 {
			return nil, c.impossible(ev, "the id of a container must leave room for others above it")
		}
	}
	for i, r := range k.Requests {
		if err := c.unknown(ev, r.ID); err != nil {
			return nil, err
		}
		for _, o := range k.Requests[:i] {
			if o.ID == r.ID {
				return nil, c.impossible(ev, "request %d is named twice", r.ID)
			}
		}
		if r.Arrived.After(ev.At) && r.Arrived.After(c.Now()) {
			return nil, c.impossible(ev, "request %d arrives at %v, later than now", r.ID, r.Arrived)
		}
	}
	for i, n := range c.numbers(len(k.Requests)) {
		a.Requests = append(a.Requests, AdoptedRequest{n, max(0, decide.FromDuration(k.Requests[i].Arrived.Sub(c.midnight)))})
	}
	n, ds, err := c.s.Adopt(at, a)
	if err != nil {
		return nil, err
	}
	for i := range k.Requests {
		c.requests.put(k.Requests[i].ID, c.number())
		if c.cfg.Models != nil {
			c.minutes.add(int(c.s.view.Now()/decide.Minute), a.Function)
		}
	}
	if n == decide.None {
		return ds, nil
	}
	c.name(n, k.Container)
	c.next = k.Container + 1
	return ds, nil
}
