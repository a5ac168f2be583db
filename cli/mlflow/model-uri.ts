import { CommandError, EXIT } from '../exit-code.ts'

/** A version in an MLflow registry, or whatever an alias points at now. */
export interface ModelUri {
  readonly name: string
  readonly version?: string
  readonly alias?: string
}

/** `models:/NAME/3` or `models:/NAME@ALIAS`. Throws a CommandError for anything else; stages have no fixed version. */
export function parseModelUri(text: string): ModelUri {
  const match = /^models:\/([^/@]+)(?:\/([^/@]+)|@([^/@]+))$/.exec(text)
  const [, name, version, alias] = match ?? []
  if (name !== undefined && alias !== undefined) return { name, alias }
  if (name !== undefined && version !== undefined && /^\d{1,9}$/.test(version)) return { name, version }
  throw new CommandError(
    `expected models:/NAME/VERSION with a number, or models:/NAME@ALIAS, found ${text}`,
    EXIT.usage,
  )
}
