"""What any controller needs: watches, a cache of objects, a queue, a lease and Events."""
