#!/usr/bin/env python3
"""Writes the data of jobs/orders.yaml: orders-2026-01.csv.gz to orders-2026-03.csv.gz, next to itself.

    python3 jobs/data/make_orders.py

The orders are made up, but look like a shop's export: names in many scripts, local times with their
offset from UTC, prices in the currency of the country, notes that are absent (NULL: an empty field),
empty (a quoted empty field), or full of commas, quotes and line ends.

Everything is derived from one seed, by `random.random()` alone, which Python promises to keep the same
in every version; gzip gets no time and no name. So running this again writes the same files, byte for
byte (with another implementation of zlib, such as zlib-ng, the same rows, packed differently).
Python 3.8 or later, nothing else.
"""

import gzip
import random
from bisect import bisect
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path

SEED = 20260101
CUSTOMERS = 5000
FIRST_ORDER = 1_048_113

# Each month is one file. The export of the shop changed: columns moved in February, and
# again in March, when `channel` was added.
MONTHS = [
    (2026, 1, 11_400, "order_id ordered_at customer city country items amount currency status note"),
    (2026, 2, 10_900, "order_id status ordered_at country city customer currency amount items note"),
    (2026, 3, 13_700, "ordered_at order_id channel customer note country city items currency amount status"),
]

# Country: weight, currency, typical price, decimals, cities (name, hours from UTC), given names, family names,
# how a name is put together.
WEST = "{given} {family}"
COUNTRIES = {
    "CN": (26, "CNY", 89, 2, [("上海", 8), ("北京", 8), ("深圳", 8), ("成都", 8), ("乌鲁木齐", 8)],
           "伟 芳 娜 敏 静 强 磊 洋 艳 勇 军 杰 子涵 雨桐 浩然 欣怡 建国 秀英 俊杰 思远".split(),
           "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 欧阳 司马".split(), "{family}{given}"),
    "RU": (9, "RUB", 1490, 2, [("Москва", 3), ("Санкт-Петербург", 3), ("Екатеринбург", 5), ("Владивосток", 10)],
           "Анна Мария Ольга Елена Дмитрий Сергей Алексей Иван Фёдор Юлия".split(),
           "Коваленко Бондаренко Шевчук Романенко Ткаченко Мельник Черных Седых Левченко".split(), WEST),
    "EG": (6, "EGP", 420, 2, [("القاهرة", 2), ("الإسكندرية", 2), ("الجيزة", 2)],
           "محمد أحمد فاطمة مريم يوسف عمر ليلى خالد نور".split(), "حسن علي إبراهيم السيد عبدالله منصور الشريف".split(), WEST),
    "DE": (11, "EUR", 24, 2, [("München", 1), ("Köln", 1), ("Berlin", 1), ("Frankfurt (Oder)", 1), ("Düsseldorf", 1)],
           "Jürgen Günther Björn Käthe Lena Lukas Anke Sören Heike Max".split(),
           "Müller Schröder Weiß Groß Jäger Köhler Schmidt Öztürk".split() + ["von Bülow"], WEST),
    "FR": (8, "EUR", 22, 2, [("Paris", 1), ("Saint-Étienne", 1), ("Nîmes", 1), ("L'Haÿ-les-Roses", 1)],
           "Zoë François Hélène Anaïs Benoît Chloé Noël Agnès Jean-Luc".split(),
           "Lefèvre Gauthier d'Aubigné Bérenger Nguyễn Château L’Hôpital Muñoz".split(), WEST),
    "US": (13, "USD", 27, 2, [("New York", -5), ("Chicago", -6), ("Denver", -7), ("Los Angeles", -8), ("Honolulu", -10)],
           "James Mary Robert Linda Maria José Mei Aaliyah Liam Olivia".split(),
           ["Smith", "O'Brien", "Johnson", "García", "Nguyen", "Washington, Jr.", "Kamakawiwoʻole", "Lee"], WEST),
    "BR": (6, "BRL", 119, 2, [("São Paulo", -3), ("Florianópolis", -3), ("Manaus", -4)],
           "João Antônia Conceição Luís Inês Caetano Vitória".split(),
           "Gonçalves Araújo Conceição Simões Brandão Assunção".split(), WEST),
    "IN": (6, "INR", 799, 2, [("मुंबई", 5.5), ("दिल्ली", 5.5), ("जयपुर", 5.5)],
           "आरव प्रिया अनन्या रोहन विजय सुनीता".split(), "शर्मा वर्मा राव गुप्ता श्रीवास्तव".split(), WEST),
    "BD": (2, "BDT", 950, 2, [("ঢাকা", 6), ("চট্টগ্রাম", 6)],
           "রহিম আয়েশা সুমিত্রা তানভীর".split(), "সেন ঘোষ চৌধুরী হোসেন".split(), WEST),
    "JP": (7, "JPY", 2980, 0, [("東京", 9), ("大阪", 9), ("札幌", 9)],
           "陽菜 蓮 さくら 大翔 結衣 健太 ひかり".split(), "佐藤 鈴木 髙橋 渡邊 齋藤 小鳥遊".split(), "{family} {given}"),
    "KR": (5, "KRW", 29800, 0, [("서울", 9), ("부산", 9)],
           "민준 서연 지우 하은 도윤 예린".split(), "김 이 박 최 정 남궁".split(), "{family}{given}"),
    "GR": (3, "EUR", 21, 2, [("Αθήνα", 2), ("Θεσσαλονίκη", 2)],
           "Γιώργος Ελένη Νίκος Μαρία Κωνσταντίνος".split(), "Παπαδόπουλος Οικονόμου Αγγελίδη Ξένος".split(), WEST),
}

STATUSES = [("delivered", 78), ("shipped", 9), ("returned", 6), ("cancelled", 5), ("open", 2)]
CHANNELS = [("web", 55), ("app", 38), ("phone", 7)]

NOTES = [
    "leave with the neighbour",
    "please ring twice, the bell is loose",
    'engrave "Forever", in italics',
    'the "big" box, not the "small" one',
    "gift: no invoice in the parcel",
    "Gate code 4711#",
    "Hinterhaus, 3. Stock links\nbitte nicht vor 9 Uhr",
    "Ground floor\r\nunit 5, next to the bakery",
    "Dear team,\n\nthe last parcel came open.\nPlease use more tape, \"the brown one\".\n\nThank you",
    "请放在门口，谢谢",
    "生日快乐🎂🎉",
    "Позвонить за час, домофон не работает",
    "اتصل قبل التوصيل من فضلك",
    "Merci beaucoup 😊",
    "NULL",
    "\\N",
    "N/A",
    "C:\\parcels\\in",
    "10% off, as agreed; see mail of 3/1",
    "  two spaces before and after  ",
    "tab\there",
    "’s avonds na 18:00",
    "お届けは午前中にお願いします",
    "👩‍👩‍👧 family order, 3 names on the door",
]


class Dice:
    """Choices by `random.random()`, the one method whose results never change between versions."""

    def __init__(self, seed):
        self.roll = random.Random(seed).random

    def below(self, limit):
        return int(self.roll() * limit)

    # By multiplication, which is exact everywhere; a power is not.
    def low(self):
        """0 to 1, mostly small."""
        roll = self.roll()
        return roll * roll * roll

    def late(self):
        """0 to 1, a little more often large."""
        return max(self.roll(), self.roll() * self.roll())

    def one(self, things):
        return things[self.below(len(things))]

    def weighted(self, pairs):
        sums = list(accumulate(weight for _, weight in pairs))
        return pairs[bisect(sums, self.roll() * sums[-1])][0]


def customers(dice):
    """People with a home: name, country, city, hours from UTC."""
    weights = [(country, row[0]) for country, row in COUNTRIES.items()]
    people = []
    for _ in range(CUSTOMERS):
        country = dice.weighted(weights)
        _, _, _, _, cities, given, family, pattern = COUNTRIES[country]
        city, hours = dice.one(cities)
        name = pattern.format(given=dice.one(given), family=dice.one(family))
        if dice.roll() < 0.01:
            name += dice.one([" ✨", " 🌸", ' "Max"', ", Dr."])
        people.append((name, country, city, hours))
    return people


def times(dice, year, month, count):
    """Instants within the month, in UTC, in order, more of them in the evening."""
    start = datetime(year, month, 1, tzinfo=timezone.utc)
    days = ((start + timedelta(days=32)).replace(day=1) - start).days
    seconds = (dice.below(days) * 86400 + int(86400 * dice.late()) for _ in range(count))
    return [start + timedelta(seconds=second) for second in sorted(seconds)]


def order(dice, number, at, people):
    """One order, by column."""
    # A few customers order often, most of them seldom.
    customer, country, city, hours = people[int(len(people) * dice.low())]
    _, currency, price, decimals, *_ = COUNTRIES[country]
    items = 1 + int(8 * dice.low())
    # By integers: a float rounds differently on some machines.
    cents = items * (price * (40 + dice.below(160)) + dice.below(100))
    status = dice.weighted(STATUSES)
    return {
        "order_id": str(number),
        "ordered_at": at.astimezone(timezone(timedelta(hours=hours))).isoformat(sep=" "),
        "channel": dice.weighted(CHANNELS),
        "customer": customer,
        "city": city,
        "country": country,
        "items": str(items),
        "amount": f"{cents // 100}.{cents % 100:02}" if decimals else str(cents // 100),
        "currency": currency,
        "status": status,
        "note": note(dice),
    }


def note(dice):
    """A note, an empty one, or None."""
    roll = dice.roll()
    if roll < 0.80:
        return None
    return "" if roll < 0.85 else dice.one(NOTES)


def field(value):
    """A csv field as PostgreSQL reads it: NULL is nothing, an empty string is quoted."""
    if value is None:
        return ""
    if value == "" or any(c in value for c in ',"\r\n') or value == "\\.":
        return '"' + value.replace('"', '""') + '"'
    return value


def write(path, lines):
    with open(path, "wb") as file:
        # No name and no time in the gzip header.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packed:
            packed.write("".join(line + "\n" for line in lines).encode())


def main():
    dice = Dice(SEED)
    people = customers(dice)
    number = FIRST_ORDER
    for year, month, count, header in MONTHS:
        columns = header.split()
        lines = [",".join(columns)]
        for at in times(dice, year, month, count):
            # Numbers are given out when the basket is filled: some are never used.
            number += 1 + (dice.roll() < 0.1)
            row = order(dice, number, at, people)
            lines.append(",".join(field(row[column]) for column in columns))
        write(Path(__file__).with_name(f"orders-{year}-{month:02}.csv.gz"), lines)


if __name__ == "__main__":
    main()
