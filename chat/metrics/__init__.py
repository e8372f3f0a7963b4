"""What Veche counts about itself: the definitions; what collects lies with what it measures."""
