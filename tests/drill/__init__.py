"""The fault drill: people chat while parts are killed, frozen and cut off. A judge that trusts
nobody compares what they were told with what is there in the end.

    make drill MINUTES=10 SEED=7        see docs/drill.md
"""
