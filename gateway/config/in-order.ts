import type { z } from 'zod'

/** A check that settings of one mapping do not fall, in the order given. */
export function inOrder<K extends string>(keys: readonly K[]) {
  return (values: Readonly<Record<K, number>>, context: z.core.$RefinementCtx): void => {
    for (let i = 1; i < keys.length; i++) {
      const [low, high] = [keys[i - 1]!, keys[i]!]
      if (values[low] > values[high])
        context.addIssue({
          code: 'custom',
          path: [low],
          message: `no more than ${high} (what is left out has its default)`,
        })
    }
  }
}
