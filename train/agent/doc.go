// Package agent trains the deep-Q agents that scheduler/agent runs: a global one, one
// per environment, and a judge that keeps an agent only where it beats the rules.
//
// The algorithm is Double DQN (van Hasselt, Guez and Silver, AAAI 2016) on the semi-Markov
// process of docs/models.md, The agent, with n-step returns, Huber loss, Adam, a target
// network that follows by Polyak averaging, and demonstrations by the rules (Hester et
// al., "Deep Q-learning from Demonstrations", AAAI 2018). [Train] shows all of it in order.
//
// # Time and reward
//
// A decision is one pick of the dispatcher at time t_k; several picks can fall on one
// instant. The reward of a pick is what accrues until the next one,
//
//	r_k = -integral over [t_k, t_k+1) of gamma^(u - t_k) W(u) du / scale - costs
//
// and the value of what follows is discounted by gamma^(t_k+1 - t_k), gamma being the
// factor per second. W is the rate at which priority-weighted latency accrues beyond
// the execution itself:
//
//	W = sum over requests that have not begun to execute of p
//	  + sum over requests that execute of p (1 - min(1, cores / demand))
//	  + memory_cost * GB that executes nothing / decide.RUMMemory
//
// with p the priority when the request arrived, so that the undiscounted sum of the first
// two terms is exactly sum of p (latency - work) under processor sharing: exchange sum
// and integral. The last term prices memory as RUM does. A request that passes the SLO
// without having been dispatched costs slo_cost * p at once, and a container that is
// created for a request cold_cost times its initialisation in seconds.
//
// Most of what a queue will cost is settled before the next pick, and would drown the
// difference that the pick makes. So rewards are shaped by a potential, which changes no
// optimal policy (Ng, Harada and Russell, ICML 1999; Bradtke and Duff, NIPS 1994, for
// discounting in continuous time):
//
//	r'_k = r_k + gamma^(t_k+1 - t_k) Phi(s_k+1) - Phi(s_k)
//
// -Phi is the discounted cost of clearing the queue greedily, by priority per second of
// execution (WSPT, optimal for one server), on one server as fast as all cores together,
// and of the initialisations under way. scale is the standard deviation of the shaped
// returns that the demonstrations reached, so that Q-values are of the order of one.
//
// # Determinism
//
// An agent is trained in one goroutine, so that everything follows from the options and
// the episodes; agents of different clusters and the runs of the judge are independent
// of each other and their results are put together in a fixed order.
package agent
