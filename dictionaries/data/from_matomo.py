#!/usr/bin/env python3
"""Makes search_engines.tsv, social_networks.tsv and ai_assistants.tsv of Matomo's CC0 list.

    from_matomo.py <folder with SearchEngines.yml, Socials.yml, AIAssistants.yml> <revision>

A host, a tab and a name per line, sorted by host. What is changed on the way:
- `www.` is taken off, and so is a leading `{}.`: a look-up walks up to the parent domains by itself;
- a trailing `.{}` (any country) becomes `.*`;
- an address with a path is left out: a referrer is known here by its host alone;
- a host whose parent already says the same name is left out.
Our own judgements are not made here but in referrers.tsv, so that this can be run again at any time.
"""

import pathlib
import sys
import urllib.parse

import yaml

HERE = pathlib.Path(__file__).parent
FILES = [
    ("SearchEngines.yml", "search_engines.tsv"),
    ("Socials.yml", "social_networks.tsv"),
    ("AIAssistants.yml", "ai_assistants.tsv"),
]


def addresses(entry):
    """The addresses of one name: a plain list, or a list of blocks with `urls`."""
    for item in entry:
        yield from (item.get("urls") or []) if isinstance(item, dict) else [item]


def host(address):
    """The address as a key of our tables, or None where a host cannot say it."""
    if "/" in address:
        return None
    address = address.lower().removeprefix("{}.").removeprefix("www.")
    if address.endswith(".{}"):
        address = address[:-3] + ".*"
    return None if "{" in address else address


def parents(key):
    labels = key.split(".")
    return (".".join(labels[i:]) for i in range(1, len(labels) - 1))


def convert(source):
    names = {}
    for name, entry in yaml.safe_load(source.read_text(encoding="utf-8")).items():
        name = urllib.parse.unquote(str(name))
        for key in filter(None, (host(str(a)) for a in addresses(entry))):
            names.setdefault(key, name)
    return {k: v for k, v in names.items() if next((names[p] for p in parents(k) if p in names), None) != v}


def main():
    folder, revision = pathlib.Path(sys.argv[1]), sys.argv[2]
    for source, target in FILES:
        names = convert(folder / source)
        lines = [
            f"# Made by from_matomo.py of {source}, matomo-org/searchengine-and-social-list at {revision}, CC0-1.0.",
            "# host<TAB>name. Corrections belong in referrers.tsv, not here.",
            *(f"{key}\t{names[key]}" for key in sorted(names)),
        ]
        (HERE / target).write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{target}: {len(names)} hosts")


if __name__ == "__main__":
    main()
