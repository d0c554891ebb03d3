"""Turns the data set's coded rows into the readable table beside this file.

    python script/demo-data/convert.py german.data > script/demo-data/german-credit.csv

Words are those of the published code table, shortened. `sex` and `age_group` are derived: see ATTRIBUTION.md.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

CODES = {
    "A11": "overdrawn", "A12": "below 200 DM", "A13": "200 DM and above", "A14": "no account",
    "A30": "no credits taken", "A31": "all paid back at this bank", "A32": "existing ones paid back duly",
    "A33": "delays in the past", "A34": "critical, or credits elsewhere",
    "A40": "new car", "A41": "used car", "A42": "furniture", "A43": "radio or television", "A44": "appliances",
    "A45": "repairs", "A46": "education", "A48": "retraining", "A49": "business", "A410": "other",
    "A61": "below 100 DM", "A62": "100 to 500 DM", "A63": "500 to 1000 DM", "A64": "1000 DM and above",
    "A65": "none or unknown",
    "A71": "unemployed", "A72": "under 1 year", "A73": "1 to 4 years", "A74": "4 to 7 years", "A75": "7 years and more",
    "A91": "male, divorced or separated", "A92": "female, divorced, separated or married", "A93": "male, single",
    "A94": "male, married or widowed", "A95": "female, single",
    "A101": "no others", "A102": "co-applicant", "A103": "guarantor",
    "A121": "real estate", "A122": "savings agreement or life insurance", "A123": "car or other", "A124": "no property",
    "A141": "at banks", "A142": "at stores", "A143": "no others",
    "A151": "rented", "A152": "owned", "A153": "free of charge",
    "A171": "unskilled, not resident", "A172": "unskilled, resident", "A173": "skilled", "A174": "management",
    "A191": "no", "A192": "yes", "A201": "yes", "A202": "no",
    "1": "repaid", "2": "defaulted",
}  # fmt: skip
COLUMNS = [
    "checking_account", "duration_months", "credit_history", "purpose", "amount", "savings", "employed_since",
    "instalment_rate", "personal_status", "other_debtors", "residence_years", "property", "age", "other_instalments",
    "housing", "existing_credits", "job", "dependants", "telephone", "foreign_worker",
]  # fmt: skip
ADULT_AGE = 25


def readable(number: int, values: list[str]) -> list[str]:
    """One coded row of 21 values → id, the 20 columns in words, sex, age group, outcome."""
    row = dict(zip(COLUMNS, (CODES[value] if value.startswith("A") else value for value in values[:20]), strict=True))
    sex = row["personal_status"].split(",")[0]
    age_group = "under 25" if int(row["age"]) < ADULT_AGE else "25 and over"
    return [f"A{number:04d}", *row.values(), sex, age_group, CODES[values[20]]]


def main(source: Path) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["applicant_id", *COLUMNS, "sex", "age_group", "outcome"])
    for number, line in enumerate(source.read_text().splitlines(), 1):
        writer.writerow(readable(number, line.split()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
