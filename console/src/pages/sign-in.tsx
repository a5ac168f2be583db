import { useState } from 'preact/hooks'
import { signIn, signInReason } from '../api.ts'
import { sentence } from '../words.ts'

export function SignIn() {
  const [given, set] = useState('')
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (given.trim() !== '') signIn(given.trim())
        }}
      >
        <h1>Coalmine</h1>
        <p>This gateway asks for a token. It is kept for this tab alone.</p>
        {signInReason.value !== '' && <p role="alert">{sentence(signInReason.value ?? '')}</p>}
        <label>
          Token
          <input
            type="password"
            autocomplete="current-password"
            value={given}
            onInput={({ currentTarget }) => set(currentTarget.value)}
            autofocus
          />
        </label>
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
    </main>
  )
}
