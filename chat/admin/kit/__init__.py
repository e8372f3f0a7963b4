"""What every page of the admin is built from: lists, guards, paging, exports."""
