import { signInReason, signOut, token } from './api.ts'
import { Brake } from './brake.tsx'
import { Dialogs } from './dialogs.tsx'
import { connection, heardMs, models, now } from './live.ts'
import { me } from './me.ts'
import { Decisions, OneDecision } from './pages/decisions.tsx'
import { ModelPage } from './pages/model.tsx'
import { Overview } from './pages/overview.tsx'
import { Policies } from './pages/policies.tsx'
import { SignIn } from './pages/sign-in.tsx'
import { Versions } from './pages/versions.tsx'
import { link, place } from './route.ts'
import { duration } from './words.ts'

export function App() {
  if (signInReason.value !== undefined) return <SignIn />
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <Bird /> Coalmine
        </a>
        <nav aria-label="Console">
          <a href="#/" aria-current={place.value.length === 0 ? 'page' : undefined}>
            Overview
          </a>
          <a href={link('policies')} aria-current={place.value[0] === 'policies' ? 'page' : undefined}>
            Policies
          </a>
          <a href="/api/docs">API</a>
        </nav>
        <span class="grow" />
        <Brake />
        <Live />
        {token.value !== undefined && (
          <>
            {me.value && (
              <span class="muted">
                {me.value.name}, {me.value.role}
              </span>
            )}
            <button type="button" class="quiet" onClick={signOut}>
              Sign out
            </button>
          </>
        )}
      </header>
      {connection.value === 'lost' && (
        <div class="banner" role="status">
          The gateway's control process does not answer here.{' '}
          {heardMs.value !== undefined &&
            `What you see is ${duration(Math.max(0, now.value - heardMs.value) / 1000)} old. `}
          Predictions do not need it. Trying again every second.
        </div>
      )}
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
      <Dialogs />
    </>
  )
}

function Page() {
  const [first, model, tab, id] = place.value
  if (first === undefined) return <Overview />
  if (first === 'policies') return <Policies />
  if (first !== 'models' || model === undefined) return <NotFound />
  if (models.value !== undefined && !models.value.some((each) => each.model === model))
    return <NotFound what={`There is no model ${model} here.`} />
  if (tab === undefined) return <ModelPage model={model} />
  if (tab === 'decisions')
    return id === undefined ? <Decisions model={model} /> : <OneDecision model={model} id={Number(id)} />
  if (tab === 'versions') return <Versions model={model} />
  return <NotFound />
}

function NotFound({ what = 'There is nothing at this address.' }: { what?: string }) {
  return (
    <section class="empty">
      <h1>{what}</h1>
      <a href="#/">To the overview</a>
    </section>
  )
}

function Live() {
  const states = { live: 'Live', connecting: 'Connecting', lost: 'No connection' } as const
  return (
    <span class={`connection ${connection.value}`} role="status">
      <i aria-hidden="true" />
      {states[connection.value]}
    </span>
  )
}

function Bird() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path
        d="M3 15c4 4 11 4 14-1 1-1.700 1-3 1-4.500l3-1.500-3-.8C17 4.500 14.500 3.500 12.500 4.500 10 5.700 10 8 9 10c-1 2.200-3.500 3.500-6 3z"
        fill="var(--canary)"
      />
      <circle cx="15" cy="7.300" r=".9" fill="#1b1a17" />
      <path d="M10 18v3M13 17.500V21" stroke="var(--canary)" stroke-width="1.500" />
    </svg>
  )
}
