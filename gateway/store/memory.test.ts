import { rolloutStoreConformance } from './conformance.ts'
import { MemoryStore } from './memory.ts'

rolloutStoreConformance('memory', () => new MemoryStore())
