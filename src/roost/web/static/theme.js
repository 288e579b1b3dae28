// Appearance: at once here, kept for the person on every browser.

import { csrf, fail } from './parts.js'

export async function chooseTheme(theme) {
  document.documentElement.dataset.theme = theme
  for (const button of document.querySelectorAll('[data-theme-form] button')) {
    button.setAttribute('aria-pressed', String(button.value === theme))
  }
  const body = new URLSearchParams({ theme, csrf: csrf() })
  await fetch('/settings/theme', { method: 'POST', body, redirect: 'manual' }).catch(fail)
}

export function keepTheme() {
  document.querySelector('[data-theme-form]')?.addEventListener('submit', (event) => {
    event.preventDefault()
    chooseTheme(event.submitter.value)
  })
}
