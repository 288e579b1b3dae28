// Waits for a workload and opens it by itself. Elapsed time counts from the first look at this page.
const began = performance.now();
const elapsed = document.getElementById("elapsed");
const reason = document.getElementById("reason");

function show() {
  const seconds = Math.floor((performance.now() - began) / 1000);
  elapsed.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

async function ask() {
  try {
    const answer = await fetch("/.roost/status", { cache: "no-store", headers: { Accept: "application/json" } });
    if (!answer.ok) return location.reload();
    const status = await answer.json();
    if (status.ready || (status.phase !== "starting" && status.phase !== "running")) return location.reload();
    if (reason.textContent !== status.reason) reason.textContent = status.reason;
  } catch {
    // The front door itself restarts: go on asking.
  }
  setTimeout(ask, performance.now() - began < 10000 ? 200 : 1000);
}

show();
setInterval(show, 1000);
setTimeout(ask, 150);
