"""Parquet as pandas writes and reads it, with pyarrow.

parquet_files.py write FILE RECORD     the record (JSON) three times, for customers whose ids no double holds
parquet_files.py read FOLDER           prints the types and the rows of all parts, as JSON; ids as text
"""

import json
import sys

import pandas as pd


def write(file: str, record: str) -> None:
    frame = pd.DataFrame([json.loads(record)] * 3)
    frame.insert(0, "customer_id", [2**62 + i for i in range(3)])
    frame.to_parquet(file, index=False)


def read(folder: str) -> None:
    frame = pd.read_parquet(folder)
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    frame["customer_id"] = frame["customer_id"].astype(str)
    print(json.dumps({"types": types, "rows": json.loads(frame.to_json(orient="records", double_precision=15))}))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
