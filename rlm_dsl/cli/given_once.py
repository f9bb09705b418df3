"""Options that take one value are given once.

In: the words behind a command's name. Out: the command, or a usage error. Law: no word of a command line is passed over
in silence; an option that takes more than one value says so itself.
"""

from __future__ import annotations

import click


class Once(click.Group):
    """A group of commands of which an option that stands twice is refused, where the last one would hold."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        if found is not None and not isinstance(found, click.Group) and not ctx.resilient_parsing:
            inner = click.Context(found, parent=ctx, info_name=name)
            *_, order = found.make_parser(inner).parse_args(list(rest))
            seen: set[str] = set()
            for option in order:
                if not isinstance(option, click.Option) or option.multiple or option.is_flag or option.count:
                    continue
                if str(option.name) in seen:
                    raise click.UsageError(f"{option.opts[0]} is given twice", inner)
                seen.add(str(option.name))
        return name, found, rest
