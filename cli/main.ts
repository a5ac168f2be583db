import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Half of a short command's time is compiling the same files again. What is compiled lies beside the code, where only they
// may write who may change the code; where they may not either, it is compiled each time.
const folder = fileURLToPath(new URL('../node_modules/.cache/coalmine', import.meta.url))
enableCompileCache(folder)
// For the threads of a batch job.
process.env.NODE_COMPILE_CACHE ??= folder
await import('./command-line.ts')
