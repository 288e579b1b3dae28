"""What the pages show, as values: made from the store and the live state by `gather`, said by the templates.

A view holds amounts and times, never sentences made of them; those are the templates' and `words`'. Nothing here is
read back to decide anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from roost.model.lifecycle import Phase, Span
from roost.model.workload import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at the page. `theme`: system, light or dark; `csrf` goes into every form."""

    person: str
    name: str
    administrator: bool = False
    theme: str = "system"
    csrf: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How much of something is used, in bytes (or percent of a core)."""

    used: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page has around it. `here` is the key of the item in the navigation."""

    viewer: Viewer
    now: datetime
    here: str = ""
    zone: tzinfo = UTC
    memory: Meter | None = None
    notice: str = ""  # what was just done, after a form without scripts


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeView:
    """A size as rows and cards show it."""

    name: str
    memory_bytes: int
    cpu_millis: int
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOption:
    """A row of the size picker; `why` says why it does not fit. Prices per hour, None = unknown."""

    size: SizeView
    fits: bool
    why: str = ""
    usd: Decimal | None = Decimal(0)
    eks_usd: Decimal | None = None
    start: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageView:
    """What a workload uses now; `cpu_percent` 100 = one core."""

    memory_bytes: int
    memory_limit_bytes: int
    cpu_percent: float
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """A workspace or cluster as cards, rows and its page show it. Prices per hour, None = unknown."""

    id: str
    kind: Kind
    name: str
    owner_name: str
    mine: bool
    phase: Phase
    since: datetime
    created_at: datetime
    url: str
    size: SizeView
    wanted_running: bool = True
    reason: str = ""
    started_at: datetime | None = None
    usd: Decimal | None = Decimal(0)
    eks_usd: Decimal | None = None
    spent_usd: Decimal | None = Decimal(0)
    usage: UsageView | None = None
    stops_at: datetime | None = None
    idle_why: str = ""
    workers: int = 0
    workers_ready: int = 0
    safe_mode: bool = False
    idle_timeout_s: int | None = None
    deleted_at: datetime | None = None

    @property
    def path(self) -> str:
        """Its page."""
        return f"/{self.kind.value}s/{self.id}"

    @property
    def api(self) -> str:
        """Its address in the API."""
        return f"/api/v1/{self.kind.value}s/{self.id}"

    @property
    def busy(self) -> bool:
        """Whether it has something that can be stopped."""
        return self.phase in (Phase.RUNNING, Phase.STARTING)

    @property
    def memory_bytes(self) -> int:
        """What it may use in all."""
        return self.size.memory_bytes * (max(1, self.workers) if self.kind is Kind.CLUSTER else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The line that says what runs and what it costs per hour now."""

    running: int = 0
    starting: int = 0
    usd: Decimal | None = Decimal(0)
    eks_usd: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A beginning for somebody who has nothing yet."""

    title: str
    text: str
    icon: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """The first page."""

    workspaces: Sequence[WorkloadView]
    clusters: Sequence[WorkloadView]
    running: Running
    stopping_soon: Sequence[WorkloadView] = ()
    more: int = 0  # workspaces beside the ones shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """A list of workspaces or clusters; `sort` has a leading "-" for descending."""

    kind: Kind
    items: Sequence[WorkloadView]
    query: str = ""
    sort: str = "-created"
    owner: str = ""
    phase: str = ""
    total: int = 0  # without the filters
    older: str | None = None  # cursor of the next page


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a workload."""

    at: datetime
    text: str
    detail: str = ""
    phase: Phase | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step of a start; `took` None = it is under way or still to come."""

    text: str
    state: str  # done, now, todo, failed
    took: timedelta | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPage:
    """The page of one workload: what all tabs know."""

    workload: WorkloadView
    tab: str
    spans: Sequence[Span] = ()
    steps: Sequence[StepView] = ()
    events: Sequence[EventView] = ()
    log: str = ""
    log_size: int = 0
    log_part: str = ""
    log_index: int = 0
    volume_name: str = ""
    volume_bytes: int | None = None
    spent_us: int = 0  # how long it ran in all, in microseconds
    sizes: Sequence[SizeOption] = ()
    default_idle_s: int = 0
    exit_memory: tuple[int, int] | None = None
    values: dict[str, str] = field(default_factory=dict)  # what was typed, after an error
    problem: Problem | None = None
    max_workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a form: beside its field, or above it where `field` names none."""

    message: str
    hint: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView:
    """The create panel."""

    kind: Kind
    name: str
    sizes: Sequence[SizeOption]
    chosen: str
    images: Sequence[str] = ("default",)
    image: str = "default"
    workers: int = 2
    max_workers: int = 8
    idle: str = ""
    default_idle_s: int = 0
    variables: str = ""
    problem: Problem | None = None
    volumes: Sequence[VolumeView] = ()
    volume: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeView:
    """A home volume, in use, unused or in the bin."""

    id: str
    name: str
    owner_name: str
    mine: bool
    created_at: datetime
    used_bytes: int | None = None
    workload: str = ""
    workload_path: str = ""
    deleted_at: datetime | None = None
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """A person, as administrators see them."""

    id: str
    name: str
    administrator: bool
    disabled: bool
    me: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationView:
    """A link that can still be used."""

    id: str
    administrator: bool
    hint: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationView:
    """What keeps people apart on this machine."""

    level: str
    separates_people: bool
    explanation: str
    remedy: str = ""
    limits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleView:
    """The people page; `link` is an invitation just made, shown this once."""

    people: Sequence[PersonView]
    invitations: Sequence[InvitationView]
    isolation: IsolationView
    link: str = ""
    link_for: str = ""
    link_hours: int = 7 * 24
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A browser that is signed in."""

    id: str
    agent: str
    address: str
    seen_at: datetime
    created_at: datetime
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """An API token; `scopes` empty = everything its person may do."""

    id: str
    name: str
    beginning: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsView:
    """Theme, sessions and tokens of the one who looks; `secret` is a token just made, shown this once."""

    sessions: Sequence[SessionView]
    tokens: Sequence[TokenView]
    scopes: Sequence[str]
    origin: str
    secret: str = ""
    values: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """What the machine is doing."""

    cores: float
    memory: Meter
    disk: Meter
    isolation: IsolationView
    workloads: Sequence[WorkloadView]
    cpu_percent: float = 0.0
    promised_bytes: int = 0  # the ceilings of all that runs, added up
    room_bytes: int = 0
    version: str = ""
    address: str = ""
    others: int = 0  # running here, but belonging to people the viewer may not see


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """A page that could not be shown; `code` is the HTTP status."""

    status: int
    title: str
    hint: str = ""
    action: str = "Back to home"
    href: str = "/"
