//! How many rows a COPY into a column-store table should bring.
//!
//! A column store keeps rows in compression units of 60 000, for each partition on each data node,
//! and begins new ones with each load. A table of small units is slow to read and large on disk (DWS
//! manual, "Inserting Data" and "Table Object Design": 60 000 rows and more for each partition and
//! data node in a load, never below 5 000).

/// Rows for each partition and data node that fill a compression unit.
const FULL: u64 = 60_000;
/// Rows below which a load does harm.
const FEW: u64 = 5_000;

/// What to say of a COPY of `rows` rows into the column-store table `table`, whose rows are spread
/// over `partitions` partitions on `data_nodes` data nodes. `None` where there are enough of them.
pub(crate) fn advice(table: &str, rows: u64, data_nodes: u64, partitions: u64) -> Option<String> {
    let units = data_nodes.max(1).saturating_mul(partitions.max(1));
    let each = rows / units;
    if each >= FULL {
        return None;
    }
    let verdict = if each < FEW {
        "fewer than 5,000 bloat the table with small compression units"
    } else {
        "fewer than 60,000 leave its compression units small"
    };
    let s = if rows == 1 { "" } else { "s" };
    let each = rows.div_ceil(units);
    let where_to = match (data_nodes.max(1), partitions.max(1)) {
        (1, 1) => String::new(),
        (nodes, 1) => format!(", about {each} for each of {nodes} data nodes"),
        (1, partitions) => format!(", about {each} for each of {partitions} partitions"),
        (nodes, partitions) => {
            format!(", about {each} for each of {partitions} partitions on {nodes} data nodes")
        }
    };
    let wanted = FULL.saturating_mul(units);
    Some(format!(
        "a COPY of {rows} row{s} into the column-store table {table}{where_to}: {verdict}; {wanted} rows in a COPY fill them (DWS manual)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_each_partition_and_data_node() {
        for (rows, nodes, partitions, part) in [
            (60_000, 1, 1, None),
            (59_999, 1, 1, Some("fewer than 60,000")),
            (359_999, 6, 1, Some("fewer than 60,000")),
            (360_000, 6, 1, None),
            (
                30_000,
                6,
                1,
                Some("about 5000 for each of 6 data nodes: fewer than 60,000"),
            ),
            (29_999, 6, 1, Some("fewer than 5,000")),
            (
                360_000,
                6,
                12,
                Some("about 5000 for each of 12 partitions on 6 data nodes: fewer than 60,000"),
            ),
            (10, 0, 0, Some("fewer than 5,000")),
            (10, 1, 4, Some("for each of 4 partitions: fewer than 5,000")),
            (u64::MAX, u64::MAX, u64::MAX, Some("fewer than 5,000")),
        ] {
            let said = advice("t", rows, nodes, partitions);
            match part {
                None => assert_eq!(said, None),
                Some(part) => assert!(
                    said.as_ref().is_some_and(|said| said.contains(part)),
                    "{said:?}"
                ),
            }
        }
        insta::assert_snapshot!(
            advice("sales", 1200, 6, 12).unwrap(),
            @"a COPY of 1200 rows into the column-store table sales, about 17 for each of 12 partitions on 6 data nodes: fewer than 5,000 bloat the table with small compression units; 4320000 rows in a COPY fill them (DWS manual)"
        );
    }
}
