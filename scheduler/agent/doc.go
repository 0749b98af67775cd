// Package agent runs the clustered deep-Q agent of Incendio (Section VI): it
// chooses which waiting request starts next.
//
// There are only a few types:
//
//   - an [Encoder] turns a decide.Snapshot into an [Observation]: K candidate
//     functions, what is global, and which of the 2K+1 actions are legal;
//   - a [Network] gives the observation's Q-values, a [Chooser] an action; a
//     [Dispatcher] joins encoder and chooser into a decide.Dispatcher;
//   - a [Tracker] sums the environment up in a vector, [Clusters] says what was found
//     best in which environment, and a [Clustered] dispatcher switches between them.
//
// The decision process (docs/models.md, The agent) repairs what the paper leaves
// open: its state lists what was selected only, its actions grow with the number of
// functions, and it cannot defer. Within an event the agent picks start after start
// until it defers, so a decision is one pick. The same network serves any number of
// functions, as it scores candidates by their features alone and is equivariant to
// their order.
//
// Pooling is the mean alone (the ONNX operators that all runtimes compute alike have no
// max), functions that cannot start take up no place among the candidates, a cold start
// is illegal while a container of the function has room for the request, and deferring
// is legal only to wait for a container.
package agent
