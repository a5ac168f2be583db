import { testLives } from './testing/lives.ts'

// In a process of its own, beside the first half.
testLives(250, 500)
