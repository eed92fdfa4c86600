//! What an auditor could read alone: entries, commitments, the tree, checkpoints, proofs. Pure.
