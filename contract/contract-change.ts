import { DEFAULT_MAX_LENGTH, type Field, type Manifest, type Output } from './manifest.ts'

/**
 * Why clients of `stable` could not be served by `next`: each reason a sentence, none when every request that
 * stable accepts is accepted too and answered in the same form.
 */
export function breakingChanges(stable: Manifest, next: Manifest): string[] {
  return [...inputChanges(stable.inputs, next.inputs), ...outputChanges(stable.outputs, next.outputs)]
}

function inputChanges(stable: readonly Field[], next: readonly Field[]): string[] {
  const removed = stable
    .filter(({ name }) => !next.some((field) => field.name === name))
    .map(({ name }) => `input ${name} was removed; clients that send it would be refused`)
  const changed = next.flatMap((field) => {
    const before = stable.find(({ name }) => name === field.name)
    if (before !== undefined) return fieldChanges(before, field)
    return field.nullable ? [] : [`input ${field.name} is new and required`]
  })
  return [...removed, ...changed]
}

function fieldChanges(before: Field, after: Field): string[] {
  const reasons: string[] = []
  const reason = (text: string) => reasons.push(`input ${after.name}: ${text}`)
  if (before.type !== after.type) reason(`the type changed from ${before.type} to ${after.type}`)
  if (shapeOf(before) !== shapeOf(after))
    reason(`the shape changed from [${shapeOf(before)}] to [${shapeOf(after)}]`)
  if (before.nullable && !after.nullable) reason('null is no longer accepted')
  if (after.min !== undefined && smallest(before) < after.min)
    reason(`the minimum rose from ${before.min ?? 'none'} to ${after.min}`)
  if (after.max !== undefined && largest(before) > after.max)
    reason(`the maximum fell from ${before.max ?? 'none'} to ${after.max}`)
  if (after.enum !== undefined) {
    const allowed = new Set<unknown>(after.enum)
    const lost = before.enum?.filter((value) => !allowed.has(value))
    if (lost === undefined) reason('an enum was added')
    else if (lost.length > 0) reason(`the enum lost ${lost.map((value) => JSON.stringify(value)).join(', ')}`)
  }
  const lengthBefore = longest(before)
  const lengthAfter = after.maxLength ?? DEFAULT_MAX_LENGTH
  if (
    after.type === 'string' &&
    before.type === 'string' &&
    after.enum === undefined &&
    lengthBefore > lengthAfter
  )
    reason(`the longest string fell from ${lengthBefore} to ${lengthAfter} characters`)
  return reasons
}

function outputChanges(stable: readonly Output[], next: readonly Output[]): string[] {
  return stable.flatMap((before) => {
    const after = next.find(({ name }) => name === before.name)
    if (after === undefined) return [`output ${before.name} was removed`]
    const reasons: string[] = []
    if (before.type !== after.type)
      reasons.push(`output ${before.name}: the type changed from ${before.type} to ${after.type}`)
    if (shapeOf(before) !== shapeOf(after))
      reasons.push(
        `output ${before.name}: the shape changed from [${shapeOf(before)}] to [${shapeOf(after)}]`,
      )
    if (JSON.stringify(before.labels) !== JSON.stringify(after.labels))
      reasons.push(
        `output ${before.name}: the labels changed from [${before.labels ?? ''}] to [${after.labels ?? ''}]`,
      )
    return reasons
  })
}

function shapeOf({ shape }: { shape?: readonly number[] | undefined }): string {
  return (shape ?? []).join(', ')
}

/** The least value a field accepted, so far as its own range and enum say. */
function smallest({ min, enum: values }: Field): number {
  const listed = values?.filter((value) => typeof value === 'number') ?? []
  return listed.length > 0 ? Math.min(...listed) : (min ?? Number.NEGATIVE_INFINITY)
}

function largest({ max, enum: values }: Field): number {
  const listed = values?.filter((value) => typeof value === 'number') ?? []
  return listed.length > 0 ? Math.max(...listed) : (max ?? Number.POSITIVE_INFINITY)
}

/** The longest string a field accepted. */
function longest({ maxLength = DEFAULT_MAX_LENGTH, enum: words }: Field): number {
  return words === undefined ? maxLength : Math.max(...words.map((word) => String(word).length))
}
