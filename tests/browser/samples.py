"""Pages with made-up content, in every state: what the screenshots and the accessibility checks look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from roost.model.lifecycle import Phase, Span
from roost.model.names import IdKind, new_id
from roost.model.sizes import default_size, eks_cost, local_sizes
from roost.model.workload import Kind
from roost.services.machine import Machine
from roost.web import charts
from roost.web.choices import TEMPLATES, arranged, idle_choices, phase_boxes
from roost.web.render import assets, render
from roost.web.views import (
    CreateView,
    ErrorView,
    EventView,
    Frame,
    HomeView,
    InvitationView,
    IsolationView,
    ListView,
    MachineView,
    Meter,
    PeopleView,
    PersonView,
    Problem,
    Running,
    SessionView,
    SettingsView,
    SizeOption,
    SizeView,
    StepView,
    TokenView,
    UsageView,
    Viewer,
    VolumeView,
    WorkloadPage,
    WorkloadView,
)

NOW = datetime(2026, 3, 2, 14, 40, tzinfo=UTC)
GIB = 1 << 30
MACHINE = Machine(
    cores=8, memory_bytes=32 * GIB, memory_used_bytes=11 * GIB, disk_total_bytes=480 * GIB, disk_free_bytes=190 * GIB
)
NAMES = (
    "churn model",
    "scratch",
    "retraining-weekly",
    "Ökonometrie II",
    "données climatiques 2019–2025 (Météo-France, fusionnées et nettoyées)",
    "תחזית ביקושים",
    "时间序列预测",
    "a-name-without-any-place-to-break-it-that-goes-on-and-on-until-nobody-reads-it-ok",
    "fraud graph",
    "📈 dashboards",
)
APART = IsolationView(
    level="a user per owner",
    separates_people=True,
    explanation="Every owner's programs run as a user of their own; files, processes and sockets of others are out of reach.",
    limits="Enforced by the kernel (cgroup v2): a program that wants more is stopped, the others are not disturbed.",
)
TOGETHER = IsolationView(
    level="process",
    separates_people=False,
    explanation="All programs run as the same user, so anybody's notebook could read everybody's files.",
    remedy="Run roost up as root, or install bubblewrap (apt-get install bubblewrap).",
    limits="Watched twice a second: a program over its limit is stopped.",
)


def ident(kind: IdKind, number: int) -> str:
    return new_id(kind, number.to_bytes(16, "big"))


def viewer(**changes: Any) -> Viewer:
    return replace(Viewer(person="pe-a", name="Ada Lovelace", administrator=True, csrf="0" * 64), **changes)


def frame(here: str, **changes: Any) -> Frame:
    memory = Meter(used=MACHINE.memory_used_bytes, total=MACHINE.memory_bytes)
    return replace(Frame(viewer=viewer(), now=NOW, here=here, memory=memory), **changes)


def size_options() -> list[SizeOption]:
    options = []
    for local in local_sizes(MACHINE.memory_bytes, MACHINE.cores):
        offer = eks_cost(local.size)
        shown = SizeView(name=local.size.name, memory_bytes=local.size.memory_bytes, cpu_millis=local.size.cpu_millis)
        eks = offer.hourly_usd if offer else None
        options.append(SizeOption(size=shown, fits=local.fits, why=local.why, eks_usd=eks, start="Ready at once"))
    return options


def workload(number: int, **changes: Any) -> WorkloadView:
    phases = (Phase.RUNNING, Phase.RUNNING, Phase.STARTING, Phase.STOPPED, Phase.FAILED, Phase.STOPPED, Phase.STOPPING)
    phase = changes.pop("phase", phases[number % len(phases)])
    kind = changes.pop("kind", Kind.WORKSPACE)
    options = [option for option in size_options() if option.fits]
    option = options[(number * 7 + 3) % len(options)]
    running = phase is Phase.RUNNING
    reasons = {
        Phase.RUNNING: "JupyterLab answers.",
        Phase.STARTING: "JupyterLab is starting.",
        Phase.STOPPED: "Stopped by Ada Lovelace.",
        Phase.STOPPING: "JupyterLab is stopping.",
        Phase.FAILED: "Stopped at 3.9 of 4.0 GB: the memory limit. Choose a larger size or load less at once; the files are kept.",
    }
    id = ident(IdKind.WORKSPACE if kind is Kind.WORKSPACE else IdKind.CLUSTER, number)
    share = (0.12, 0.55, 0.86, 0.97)[number % 4]
    view = WorkloadView(
        id=id,
        kind=kind,
        name=NAMES[number % len(NAMES)] + (f" {number // len(NAMES) + 1}" if number >= len(NAMES) else ""),
        owner_name="Ada Lovelace" if number % 3 else "Grace Hopper",
        mine=bool(number % 3),
        phase=phase,
        since=NOW - timedelta(seconds=4 if phase is Phase.STARTING else 700 * (number + 1)),
        created_at=NOW - timedelta(hours=5 * number + 1),
        url=f"http://{id}.roost.localhost:8000/",
        size=option.size,
        wanted_running=phase in (Phase.RUNNING, Phase.STARTING, Phase.FAILED),
        reason=reasons[phase],
        started_at=NOW - timedelta(seconds=4 if phase is Phase.STARTING else 3100 * (number + 1)),
        eks_usd=option.eks_usd,
        usage=UsageView(
            memory_bytes=int(option.size.memory_bytes * share),
            memory_limit_bytes=option.size.memory_bytes,
            cpu_percent=37.0,
            disk_bytes=3 * GIB,
        )
        if running
        else None,
        stops_at=NOW + timedelta(hours=3, minutes=48) if running else None,
        idle_why="Idle for 12 min; stops in 3 h 48 min." if running else "",
        workers=2 if kind is Kind.CLUSTER else 0,
        workers_ready=2 if kind is Kind.CLUSTER and running else 0,
    )
    return replace(view, **changes)


def spans() -> list[Span]:
    phases = ((Phase.STARTING, 0.4), (Phase.RUNNING, 5200), (Phase.STOPPED, 3000), (Phase.STARTING, 0.3))
    found, at = [], NOW - timedelta(seconds=8200.7 + 6200)
    for phase, seconds in phases:
        until = at + timedelta(seconds=seconds)
        found.append(Span(phase=phase, since=at, until=until, duration=until - at))
        at = until
    return [*found, Span(phase=Phase.RUNNING, since=at, until=None, duration=NOW - at)]


def use_charts(number: int = 0) -> list[charts.Chart]:
    if number < 0:
        empty: list[charts.Point] = []
        start = NOW - timedelta(minutes=10)
        return [charts.memory_chart(empty, 4 * GIB, start, NOW), charts.cpu_chart(empty, 2, start, NOW)]
    start = NOW - timedelta(minutes=10)
    times = [start + timedelta(seconds=5 * n) for n in range(30, 121) if not 66 < n < 78]
    memory = [
        charts.Point(at, GIB * (1.1 + 0.9 / (1 + math.exp(-(n - 40) / 3)) + 0.06 * math.sin(n)))
        for n, at in enumerate(times)
    ]
    cpu = [
        charts.Point(at, max(1.0, 90 * abs(math.sin(n / 7)) * (1 if 20 < n < 60 else 0.08)))
        for n, at in enumerate(times)
    ]
    return [charts.memory_chart(memory, 4 * GIB, start, NOW), charts.cpu_chart(cpu, 2, start, NOW)]


def page(template: str, title: str, frame: Frame | None, **values: Any) -> str:
    return render(template, frame, {"title": title, "modules": assets().modules, **values})


def workload_page(item: WorkloadView, tab: str = "overview", **changes: Any) -> str:
    events = [
        EventView(at=NOW - timedelta(seconds=9), text="Running", detail="JupyterLab answers.", phase=Phase.RUNNING),
        EventView(at=NOW - timedelta(seconds=10), text="Started", phase=Phase.STARTING, actor="Ada Lovelace"),
        EventView(
            at=NOW - timedelta(minutes=50), text="Stopped", detail="Stopped after 4 h without use.", phase=Phase.STOPPED
        ),
        EventView(at=NOW - timedelta(hours=5), text="Renamed", detail="Renamed from notebook.", actor="Ada Lovelace"),
    ]
    log = "".join(
        f"[I 2026-03-02 14:3{n % 10}:0{n % 7}.123 ServerApp] {text}\n"
        for n, text in enumerate(
            ["jupyterlab | extension was successfully loaded.", "Serving notebooks from local directory: /home/ada",
             "Jupyter Server 2.17.0 is running at:", "Kernel started: 1d0c3a5e", "Connecting to kernel 1d0c3a5e.",
             "Saving file at /Untitled.ipynb", "Starting buffering for 1d0c3a5e:81f7"] * 8
        )
    )  # fmt: skip
    view = WorkloadPage(
        workload=item,
        tab=tab,
        spans=spans(),
        events=events,
        log=log,
        log_size=len(log),
        log_part="lab" if item.kind is Kind.WORKSPACE else "scheduler",
        volume_name=item.name if item.kind is Kind.WORKSPACE else "",
        volume_bytes=3 * GIB,
        spent_us=11_400_000_000,
        sizes=size_options(),
        default_idle_s=4 * 3600,
        max_workers=12,
    )
    tabs = [
        ("overview", "Overview"),
        ("logs", "Logs"),
        ("events", "Events"),
        ("access", "Access"),
        ("settings", "Settings"),
    ]
    return page(
        "workload.html",
        item.name,
        frame(f"{item.kind.value}s"),
        page=replace(view, **changes),
        tabs=tabs,
        charts=use_charts(0 if item.busy else -1),
        phase_boxes=phase_boxes(view.spans),
        idle_choices=idle_choices,
        keep_words="7 d",
        port_url=f"http://p8050-{item.id}.roost.localhost:8000/",
        example=f'curl -H "Authorization: Bearer $ROOST_TOKEN" {item.url}api/status',
    )


def create_view(kind: Kind = Kind.WORKSPACE, **changes: Any) -> CreateView:
    chosen = default_size(local_sizes(MACHINE.memory_bytes, MACHINE.cores))
    assert chosen is not None
    view = CreateView(kind=kind, name="notebook-3", sizes=size_options(), chosen=chosen.name, default_idle_s=4 * 3600)
    return replace(view, **changes)


def home(count: int) -> str:
    workspaces = [workload(n, mine=True, owner_name="Ada Lovelace") for n in range(count)]
    clusters = [workload(n, kind=Kind.CLUSTER, name=name) for n, name in ((1, "churn-workers"), (3, "nightly"))][:count]
    soon = [
        replace(w, stops_at=NOW + timedelta(minutes=18), idle_why="Idle for 3 h 42 min; stops in 18 min.")
        for w in workspaces[1:2]
    ]
    running = [w for w in workspaces if w.phase is Phase.RUNNING]
    line = Running(
        running=len(running),
        starting=sum(w.phase is Phase.STARTING for w in workspaces),
        eks_usd=sum((w.eks_usd or Decimal(0) for w in running), Decimal(0)),
    )
    view = HomeView(
        workspaces=workspaces[:9], clusters=clusters, running=line, stopping_soon=soon, more=max(0, count - 9)
    )
    return page("home.html", "Home", frame("home"), home=view, templates=TEMPLATES)


def listing(items: list[WorkloadView], kind: Kind = Kind.WORKSPACE, **changes: Any) -> str:
    view = replace(ListView(kind=kind, items=arranged(items, "-created"), total=len(items)), **changes)
    title = "Workspaces" if kind is Kind.WORKSPACE else "Clusters"
    return page("list.html", title, frame(f"{kind.value}s"), listing=view, address=lambda **_: "?", free=True)


def volume(number: int, **changes: Any) -> VolumeView:
    view = VolumeView(
        id=ident(IdKind.VOLUME, number),
        name=NAMES[number % len(NAMES)],
        owner_name="Ada Lovelace",
        mine=True,
        created_at=NOW - timedelta(days=number),
        used_bytes=(number * 777 + 90) << 20,
        workload=NAMES[number % len(NAMES)] if number != 2 else "",
        workload_path="/workspaces/ws-a",
    )
    return replace(view, **changes)


def volumes(count: int) -> str:
    kept = [volume(n) for n in range(count)]
    bin = [
        volume(n, deleted_at=NOW - timedelta(hours=9 * n), keep_until=NOW + timedelta(days=6))
        for n in range(4, 4 + count // 2)
    ]
    return page("volumes.html", "Volumes", frame("volumes"), kept=kept, deleted=bin, keep_words="7 d")


def people(**changes: Any) -> str:
    names = ("Ada Lovelace", "Grace Hopper", "Søren Åkesson", "ماريا", "王秀英")
    everybody = [
        PersonView(
            id=f"pe-{n}",
            name=name,
            administrator=n < 2,
            disabled=n == 3,
            me=n == 0,
            created_at=NOW - timedelta(days=9 * n),
        )
        for n, name in enumerate(names)
    ]
    soon = NOW + timedelta(days=5)
    open_links = [
        InvitationView(id="iv-1", administrator=False, hint="kim@example.org", created_at=NOW, expires_at=soon)
    ]
    view = PeopleView(people=everybody, invitations=open_links, isolation=APART)
    return page("people.html", "People", frame("people"), view=replace(view, **changes))


def settings(**changes: Any) -> str:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36"
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
    sessions = [
        SessionView(id="sn-1", agent=chrome, address="127.0.0.1", seen_at=NOW, created_at=NOW, current=True),
        SessionView(
            id="sn-2", agent=phone, address="10.0.0.7", seen_at=NOW - timedelta(hours=3), created_at=NOW, current=False
        ),
    ]
    tokens = [
        TokenView(id="tk-1", name="ci", beginning="rst_9fJ2", scopes=["read", "workspaces"], created_at=NOW, expires_at=NOW + timedelta(days=21)),
        TokenView(id="tk-2", name="laptop", beginning="rst_Qd41", scopes=[], created_at=NOW, expires_at=NOW + timedelta(days=2), seen_at=NOW - timedelta(minutes=4)),
    ]  # fmt: skip
    view = SettingsView(sessions=sessions, tokens=tokens, scopes=["read"], origin="http://localhost:8000")
    return page("settings.html", "Settings", frame("settings"), view=replace(view, **changes))


def machine(count: int, isolation: IsolationView) -> str:
    items = [workload(n, phase=Phase.RUNNING) for n in range(count)]
    view = MachineView(
        cores=8,
        memory=Meter(used=11.2 * GIB, total=32 * GIB),
        disk=Meter(used=290 * GIB, total=480 * GIB),
        isolation=isolation,
        workloads=items,
        cpu_percent=37.0 * count,
        promised_bytes=sum(w.memory_bytes for w in items),
        room_bytes=int(28.8 * GIB),
        version="0.1.0",
        address="http://localhost:8000",
    )
    return page("machine.html", "Machine", frame("machine"), view=view)


def starting() -> str:
    item = workload(2, phase=Phase.STARTING, name="churn model", since=NOW - timedelta(seconds=3))
    steps = [
        StepView(text="Asked for", state="done", took=timedelta(seconds=0.02)),
        StepView(text="Preparing the image", state="done", took=timedelta(seconds=2.4)),
        StepView(text="Starting JupyterLab", state="now", since=NOW - timedelta(seconds=1)),
        StepView(text="Opens by itself", state="todo"),
    ]
    view = WorkloadPage(workload=item, tab="overview", steps=steps)
    return page("starting.html", item.name, frame("workspaces"), page=view)


def sign_in(**changes: Any) -> str:
    values: dict[str, Any] = {"problem": None, "notice": "", "next": "/", "name": "", "place": "localhost:8000"}
    return page("sign_in.html", "Sign in", None, **{**values, **changes})


def join(**changes: Any) -> str:
    values: dict[str, Any] = {
        "purpose": "invitation",
        "name": "",
        "administrator": False,
        "place": "localhost:8000",
        "problem": None,
        "expires": "9 Mar 2026",
    }
    return page("join.html", "Join", None, **{**values, **changes})


def error(status: int, title: str, hint: str, **changes: Any) -> str:
    return page("error.html", title, None, error=ErrorView(status=status, title=title, hint=hint, **changes))


def create(view: CreateView, template: str = "create.html") -> str:
    return page(template, "New", frame(f"{view.kind.value}s"), create=view, idle_choices=idle_choices)


#: Name -> the HTML of a page in a state.
PAGES: Mapping[str, Callable[[], str]] = {
    "home-empty": lambda: home(0),
    "home": lambda: home(5),
    "home-busy": lambda: home(40),
    "workspaces-empty": lambda: listing([]),
    "workspaces": lambda: listing([workload(n) for n in range(6)]),
    "workspaces-busy": lambda: listing([workload(n) for n in range(40)], owner="all"),
    "workspaces-none-match": lambda: listing([], query="zebra", total=40),
    "clusters": lambda: listing([workload(n, kind=Kind.CLUSTER, phase=p) for n, p in ((0, Phase.RUNNING), (3, Phase.STOPPED))], Kind.CLUSTER),
    "workspace": lambda: workload_page(workload(1)),
    "workspace-failed": lambda: workload_page(workload(4)),
    "workspace-long": lambda: workload_page(workload(7, phase=Phase.RUNNING)),
    "workspace-logs": lambda: workload_page(workload(1), "logs"),
    "workspace-events": lambda: workload_page(workload(1), "events"),
    "workspace-access": lambda: workload_page(workload(1), "access"),
    "workspace-settings": lambda: workload_page(workload(1), "settings"),
    "cluster": lambda: workload_page(workload(1, kind=Kind.CLUSTER, name="churn-workers", stops_at=NOW + timedelta(minutes=20), idle_why="No client for 10 min; stops in 20 min.")),
    "create": lambda: create(create_view()),
    "create-cluster": lambda: create(create_view(Kind.CLUSTER)),
    "create-error": lambda: create(create_view(problem=Problem(message="There is a workspace named 'churn' already.", hint="Choose another name.", field="name"), name="churn")),
    "starting": starting,
    "volumes": lambda: volumes(5),
    "volumes-empty": lambda: volumes(0),
    "destroy": lambda: page("destroy.html", "Destroy", frame("volumes"), volume=volume(4), confirm="", problem=None),
    "people": people,
    "people-link": lambda: people(link="http://localhost:8000/join/Zk3f0JtJc2K6bU1r9wq0m4yTn0v7x8sQm1aB2cD3eF4", link_for="kim@example.org"),
    "people-off": lambda: people(isolation=TOGETHER, invitations=[]),
    "settings": settings,
    "settings-secret": lambda: settings(secret="rst_Zk3f0JtJc2K6bU1r9wq0m4yTn0v7x8sQm1aB2cD3eF4"),
    "machine": lambda: machine(4, APART),
    "machine-empty": lambda: machine(0, TOGETHER),
    "sign-in": sign_in,
    "sign-in-error": lambda: sign_in(problem=Problem(message="The name or the password is wrong.", hint="Check both; an administrator can send a new link if the password is lost."), name="ada"),
    "join": join,
    "join-first": lambda: join(purpose="first"),
    "join-error": lambda: join(problem=Problem(message="The password has 4 characters; at least 10 are needed.", hint="A sentence of four or five words is long, and easy to remember.", field="password"), name="kim"),
    "error-404": lambda: error(404, "There is nothing at this address", "It may have been deleted, or the link is incomplete."),
    "error-403": lambda: error(403, "This is for administrators", "Ask one of them."),
    "error-500": lambda: error(500, "The platform failed unexpectedly", "Try again; if it stays, show the log of the control plane to whoever runs it.", action="Try again", href=""),
    "error-expired": lambda: error(404, "This link has expired", "Ask an administrator for a new one.", action="Sign in", href="/sign-in"),
}  # fmt: skip
