import { elementsPerRow, type Field } from '@coalmine/contract/manifest.ts'

/** One value of a record that contributions are said of: a field, or one element of a field that is a list. */
export type Player = { field: number; element: number }

/** The players of a contract, field by field. */
export function playersOf(inputs: readonly Field[]): Player[] {
  return inputs.flatMap((input, field) =>
    Array.from({ length: elementsPerRow(input) }, (_, element) => ({ field, element })),
  )
}
