#!/usr/bin/env python3
"""A second E-model, to hold against the relay's: prints a grid of ratings as CSV.

ITU-T G.107 (06/2015) from its planning parameters: noise, loudness, sidetone, quantisation and echo are worked out
from the recommendation's default values, nothing is taken as a result. The wider scales (G.107.1, G.107.2) are
those that the relay has: the best rating less the effective equipment impairment and the loss of interactivity.

The standard library only. None of the packages that were looked at gives these figures: they begin at R 93.2 or
93.4, have a straight line with a bend at 177.3 ms for delay, or know no burst ratio.

    model,ta_ms,ie,bpl,ppl_percent,burst_ratio,r,mos
"""

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The default values of G.107, table 2."""

    slr: float = 8.0
    rlr: float = 2.0
    stmr: float = 15.0
    lstr: float = 18.0
    ds: float = 3.0
    telr: float = 65.0
    wepl: float = 110.0
    qdu: float = 1.0
    nc: float = -70.0
    nfor: float = -64.0
    ps: float = 35.0
    pr: float = 35.0


def power_sum(*levels):
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels))


def root_sum(exponent, *values):
    return sum(value**exponent for value in values) ** (1 / exponent)


def hyperbola(x, c):
    """The knee that the recommendation writes as x/2 + sqrt(x^2/4 + c)."""
    return x / 2 + math.hypot(x / 2, math.sqrt(c))


class Narrowband:
    def __init__(self, plan=Plan()):
        self.plan = plan
        p = plan
        olr = p.slr + p.rlr
        send = p.ps - p.slr - p.ds - 100 + 0.004 * (p.ps - olr - p.ds - 14) ** 2
        heard = p.pr + 10 * math.log10(1 + 10 ** ((10 - p.lstr) / 10))
        receive = p.rlr - 121 + heard + 0.008 * (heard - 35) ** 2
        self.noise = power_sum(p.nc, send, receive, p.nfor + p.rlr)
        self.ro = 15 - 1.5 * (p.slr + self.noise)

    def simultaneous(self, t):
        p = self.plan
        loud = p.slr + p.rlr + 0.2 * (64 + self.noise - p.rlr)
        too_loud = 20 * (root_sum(8, 1, loud / 8) - loud / 8)
        stmro = -10 * math.log10(10 ** (-p.stmr / 10) + math.exp(-t / 4) * 10 ** (-p.telr / 10))
        sidetone = (
            12 * root_sum(8, 1, (stmro - 13) / 6)
            - 28 * root_sum(35, 1, (stmro + 1) / 19.4)
            - 13 * root_sum(13, 1, (stmro - 3) / 33)
            + 29
        )
        q = 37 - 15 * math.log10(p.qdu)
        g = 1.07 + 0.258 * q + 0.0602 * q**2
        y = (self.ro - 100) / 15 + 46 / 8.4 - g / 9
        z = 46 / 30 - g / 40
        quantised = 15 * math.log10(1 + 10**y + 10**z)
        return too_loud + sidetone + quantised

    def talker_echo(self, t):
        if t < 1:
            return 0.0
        terv = self.plan.telr - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t * t)
        roe = -1.5 * (self.noise - self.plan.rlr)
        re = 80 + 2.5 * (terv - 14)
        return (hyperbola(roe - re, 100) - 1) * (1 - math.exp(-t))

    def listener_echo(self, tr):
        rle = 10.5 * (self.plan.wepl + 7) / math.sqrt(math.sqrt(tr + 1))
        return hyperbola(self.ro - rle, 169)

    def rating(self, ta, equipment):
        echo = self.talker_echo(ta) + self.listener_echo(2 * ta)
        return self.ro - self.simultaneous(ta) - echo - too_late(ta) - equipment


def too_late(ta):
    """Idd: the conversation suffers, even without any echo."""
    if ta <= 100:
        return 0.0
    x = math.log(ta / 100) / math.log(2)
    return 25 * (root_sum(6, 1, x) - 3 * root_sum(6, 1, x / 3) + 2)


def effective_equipment(ceiling, ie, bpl, ppl, burst_ratio):
    return ie + (ceiling - ie) * ppl / (ppl / burst_ratio + bpl)


NARROWBAND = Narrowband()
# By the relay's names: the rating from delay and equipment, the ceiling of the latter, the stretch of the scale.
MODELS = {
    "g107": (NARROWBAND.rating, 95, 1.0),
    "g107.1": (lambda ta, equipment: 129 - 1.29 * too_late(ta) - equipment, 95, 1.29),
    "g107.2": (lambda ta, equipment: 148 - 1.48 * too_late(ta) - equipment, 132, 1.48),
}


def opinion(r):
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


DELAYS = (0, 0.5, 0.999, 1, 1.5, 2, 5, 10, 20, 50, 86.5, 100, 100.001, 110, 150, 177.3, 200, 250, 300, 400, 700, 1500)
LOSSES = (0, 0.05, 0.5, 0.9, 1, 2, 3, 5, 10, 25, 60, 100)
BURSTS = (1, 1.2, 1.5, 2, 4, 12)
EQUIPMENT = ((0, 25.1), (0, 4.3), (11, 19), (5, 10), (10.8, 10.3), (8.7, 9.3), (10.2, 10), (13, 5))


def main():
    print("model,ta_ms,ie,bpl,ppl_percent,burst_ratio,r,mos")
    for name, (rating, ceiling, stretch) in MODELS.items():
        for ta, (ie, bpl), ppl, burst_ratio in itertools.product(DELAYS, EQUIPMENT, LOSSES, BURSTS):
            r = rating(ta, effective_equipment(ceiling, ie, bpl, ppl, burst_ratio))
            print(f"{name},{ta},{ie},{bpl},{ppl},{burst_ratio},{r:.9f},{opinion(r / stretch):.9f}")


if __name__ == "__main__":
    main()
