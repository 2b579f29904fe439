"""The running daemon's parts: what the control interface looks at, and what new settings change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sysmonstm import bus, logs
from sysmonstm.alertd.delivery import Delivery
from sysmonstm.alertd.engine import Engine
from sysmonstm.alertd.rulefile import load_rules
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.alertd.store import Store
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.alertd.webhook import Webhook
from sysmonstm.alertd.writer import Writer

log = logs.logger(__name__)


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Parts:
    """One of each. `settings` are those that hold now."""

    settings: AlertSettings
    store: Store
    engine: Engine
    fleet: bus.Fleet
    writer: Writer
    delivery: Delivery
    webhook: Webhook
    trouble: Trouble
    # When the rules became what they are, so that others can tell without asking for all of them.
    rules_since_us: int = field(default_factory=now_us)

    async def apply(self, settings: AlertSettings) -> Sequence[str]:
        """Go by new settings, and by the rules file as it is now, from now on; alerts keep their state.

        It names what has changed beside the settings. UserError, and nothing is changed, if the rules are not good.
        """
        rules, before = load_rules(settings.rules_file), dict(self.engine.rules)
        self.writer.take(self.engine.adopt(rules, now_us()))
        log.info("rules.loaded", f"evaluating {len(rules)} rules", rules=[rule.name for rule in rules])
        self.writer.notify = settings.webhook_url is not None
        self.delivery.use(settings.webhook_url)
        self.settings = settings
        if self.engine.rules == before:
            return ()
        self.rules_since_us = now_us()
        return ("rules",)

    def evaluate(self, update: object) -> None:
        """Take in what `bus.follow` yielded."""
        self.writer.take(self.engine.take(self.fleet, update, now_us()))

    def tick(self) -> None:
        """Look at the machines' silence."""
        self.writer.take(self.engine.tick(self.fleet, now_us()))

    @property
    def deaf(self) -> bool:
        """Whether no aggregator is heard."""
        return self.engine.hearing.deaf(now_us())
