"""Prints what tests/bench/greylist measured, for people: a table for each part, and whether it is what is wanted."""

import statistics

from greylist_tables import RECIPIENTS


def verdict(met):
    return "met" if met else "not met"


def print_postgrey(figures):
    print(f"New triplets, {RECIPIENTS} recipients of each message ({figures['rounds']} rounds, in turns)")
    print(f"  {'':<32}{'CPU µs':>10}{'per second':>12}{'CPU':>8}{'rate':>8}")
    for name, costs in figures["cpu_us_per_decision"].items():
        cost, rate = statistics.median(costs), statistics.median(figures["decisions_per_second"][name])
        ratios = [figures[of].get(name, 1) for of in ("cpu_to_postgrey", "rate_to_postgrey")]
        print(f"  {name:<32}{cost:>10.1f}{rate:>12.0f}{ratios[0]:>8.3f}{ratios[1]:>8.2f}")
    print(f"  every answered row is committed: {figures['rows']}")
    wanted, met = figures["wanted"], figures["met"]
    print(f"  CPU to postgrey: wanted at most {wanted['cpu']:.3f}: {verdict(met['cpu'])}")
    print(f"  decisions/s to postgrey: wanted at least {wanted['rate']}: {verdict(met['rate'])}\n")


def print_size(figures):
    print(f"CPU of a decision in a large table to a small one ({figures['rounds']} rounds, in turns)")
    for name, takes in figures["bytes_per_row"].items():
        grey, known = takes["greylist_bytes_per_row"], takes["known_client_bytes_per_row"]
        print(f"  {name}: {grey:.0f} bytes per row, {known:.0f} per known client")
    names = list(figures["bytes_per_row"])
    print(f"  {'µs per decision':<16}" + "".join(f"{name:>16}" for name in names) + f"{'ratio':>8}")
    for kind, part in figures["kinds"].items():
        medians = [statistics.median(part["cpu_us_per_decision"][name]) for name in names]
        print(f"  {kind:<16}" + "".join(f"{cost:>16.1f}" for cost in medians) + f"{part['ratio']:>8.2f}", end="")
        print(f"   wanted at most {part['wanted']}: {verdict(part['met'])}")
    print()


def print_purge(figures):
    print(f"99th percentile of replies, ms ({figures['rounds']} rounds, in turns)")
    for name, late in figures["p99_ms"].items():
        print(f"  {name:<12}{statistics.median(late):>8.2f}")
    wanted, met, million = figures["wanted"], figures["met"], figures["seconds_per_million"]
    print(f"  purging to quiet: {figures['ratio']:.2f}, wanted at most {wanted['ratio']}: {verdict(met['ratio'])}")
    fast = verdict(met["seconds_per_million"])
    print(f"  a million rows: {million:.0f} s, wanted at most {wanted['seconds_per_million']}: {fast}\n")


PRINTERS = {"postgrey": print_postgrey, "size": print_size, "purge": print_purge}
