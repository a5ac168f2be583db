import type { StoreLocation } from '../config/gateway-config.ts'
import { MemoryStore } from './memory.ts'
import type { RolloutStore } from './rollout-store.ts'
import { SqliteStore } from './sqlite.ts'

/** The store that the configuration names. Throws a StoreError when it cannot be used. */
export function openStore(location: StoreLocation): RolloutStore {
  return location.kind === 'memory' ? new MemoryStore() : new SqliteStore(location.path)
}
