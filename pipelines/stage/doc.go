// Package stage runs the steps of a job in a folder, and does not run again what is up
// to date. It knows nothing of what the job is about.
//
//  1. [New] makes a [Stage] of a name, the files that it reads and writes, what it is
//     given, and the work: a plain function.
//  2. [Job.Run] goes through the stages in order, under a lock each.
//  3. A stage is asked what it is given. A digest of that, of the content of its input
//     files and of the sources of the package that the work stands in, with all that the
//     package imports ([Code]), is its key.
//  4. If the key is that of the last time, and the output files are those that the work
//     left then, nothing is done.
//  5. Otherwise the work runs. It is handed what the key was made of: the value that was
//     encoded, and a [Place] that opens declared inputs and outputs only. So a result
//     cannot depend on what its key has not seen.
//  6. The key and the digests of the outputs are kept in the folder, below [StateFolder].
package stage
