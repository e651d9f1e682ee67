"""What runs say together: pairs, statistics, equivalence, published figures; tables and figures of it."""
