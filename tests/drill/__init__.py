"""The fault drill: people chat while parts are killed, frozen and cut off, and a judge who trusts
nobody compares what they were told with what is there in the end.

    make drill MINUTES=10 SEED=7        see docs/drill.md
"""
